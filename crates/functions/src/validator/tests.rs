use super::*;
use std::sync::Arc;

struct Who {
    master: bool,
    user: Option<Vec<(Arc<str>, Value)>>,
    roles: &'static [&'static str],
}

const NOBODY: Who = Who {
    master: false,
    user: None,
    roles: &[],
};

fn check(validator: &Validator, who: &Who, fields: &mut Map) -> std::result::Result<(), String> {
    let roles = who.roles.iter().map(|role| AclEntry::Role((*role).into()));
    let principals = Principals::new(roles);
    let subject = Subject {
        master: who.master,
        user: who.user.as_deref(),
        principals: &principals,
        original: None,
        is_object: false,
    };
    let checked = validator.check(&subject, fields);
    checked.map_err(|error| {
        assert_eq!(error.reason(), Reason::ValidationFailed);
        error.message().to_owned()
    })
}

fn field(name: &str) -> FieldRule {
    FieldRule {
        name: name.into(),
        ..FieldRule::default()
    }
}

fn params(list: &[(&str, Value)]) -> Map {
    list.iter()
        .map(|(n, v)| ((*n).to_owned(), v.clone()))
        .collect()
}

#[test]
fn callers_are_checked() {
    let user = |fields: Vec<(Arc<str>, Value)>| Who {
        user: Some(fields),
        ..NOBODY
    };
    let need_user = Validator {
        require_user: true,
        ..Validator::default()
    };
    let please = "Validation failed. Please login to continue.";
    assert_eq!(
        check(&need_user, &NOBODY, &mut Map::new()),
        Err(please.to_owned())
    );
    assert_eq!(
        check(&need_user, &user(Vec::new()), &mut Map::new()),
        Ok(())
    );
    let master = Who {
        master: true,
        ..NOBODY
    };
    assert_eq!(check(&need_user, &master, &mut Map::new()), Ok(()));
    let strict = Validator {
        validate_master_key: true,
        ..need_user
    };
    assert_eq!(
        check(&strict, &master, &mut Map::new()),
        Err(please.to_owned())
    );
    let need_master = Validator {
        require_master: true,
        ..Validator::default()
    };
    let refused = check(&need_master, &user(Vec::new()), &mut Map::new()).unwrap_err();
    assert!(refused.contains("Master key is required"), "{refused}");
    let keys = Validator {
        user_keys: Some(UserKeys::Present(vec!["name".into()])),
        ..Validator::default()
    };
    let refused = check(&keys, &user(Vec::new()), &mut Map::new()).unwrap_err();
    assert_eq!(
        refused,
        "Validation failed. Please set data for name on your account."
    );
    let refused = check(&keys, &NOBODY, &mut Map::new()).unwrap_err();
    assert_eq!(refused, "Please login to make this request.");
    let named = user(vec![("name".into(), Value::from("a"))]);
    assert_eq!(check(&keys, &named, &mut Map::new()), Ok(()));
}

#[test]
fn roles_are_checked() {
    let with = |any: &[&str], all: &[&str]| {
        let list = |names: &[&str]| {
            (!names.is_empty()).then(|| names.iter().map(|n| (*n).into()).collect())
        };
        Validator {
            roles: Roles {
                any: list(any),
                all: list(all),
            },
            ..Validator::default()
        }
    };
    let who = Who {
        user: Some(Vec::new()),
        roles: &["a", "b"],
        ..NOBODY
    };
    let ok = |validator: &Validator| check(validator, &who, &mut Map::new()).is_ok();
    assert!(ok(&with(&["a", "x"], &[])));
    assert!(!ok(&with(&["x"], &[])));
    assert!(ok(&with(&[], &["a", "b"])));
    assert!(!ok(&with(&[], &["a", "x"])));
}

#[test]
fn parameters_are_checked() {
    let validator = Validator {
        fields: vec![
            FieldRule {
                required: true,
                ty: Some(ValueType::Number),
                ..field("n")
            },
            FieldRule {
                options: Some(vec![Value::from("x"), Value::Int(2)]),
                ..field("choice")
            },
            FieldRule {
                default: Some(Value::from("d")),
                ..field("with")
            },
        ],
        ..Validator::default()
    };
    let mut fields = params(&[("n", Value::Int(1))]);
    assert_eq!(check(&validator, &NOBODY, &mut fields), Ok(()));
    assert_eq!(fields.get("with"), Some(&Value::from("d")));
    let refused =
        |list: &[(&str, Value)]| check(&validator, &NOBODY, &mut params(list)).unwrap_err();
    assert_eq!(
        refused(&[]),
        "Validation failed. Please specify data for n."
    );
    assert_eq!(
        refused(&[("n", Value::from("1"))]),
        "Validation failed. Invalid type for n. Expected: number"
    );
    assert_eq!(
        refused(&[("n", Value::Int(1)), ("choice", Value::from("y"))]),
        "Validation failed. Invalid option for choice. Expected: x, 2"
    );
}

#[test]
fn constants_stay() {
    let validator = Validator {
        fields: vec![FieldRule {
            constant: true,
            default: Some(Value::Int(5)),
            ..field("c")
        }],
        ..Validator::default()
    };
    let principals = Principals::new([]);
    let subject = |original| Subject {
        master: false,
        user: None,
        principals: &principals,
        original,
        is_object: true,
    };
    let mut fields = params(&[("c", Value::Int(9))]);
    validator.check(&subject(None), &mut fields).unwrap();
    assert_eq!(fields.get("c"), Some(&Value::Int(5)));
    let original = |_: &str| Some(Value::Int(7));
    let mut fields = params(&[("c", Value::Int(9))]);
    validator
        .check(&subject(Some(&original)), &mut fields)
        .unwrap();
    assert_eq!(fields.get("c"), Some(&Value::Int(7)));
}
