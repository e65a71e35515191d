//! Who may call a function or cause a trigger, and with what.

use basalt_base::{Error, Map, Reason, Result, Value};
use basalt_store::{AclEntry, Principals};

/// The type of a parameter, as JSON has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    String,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// A list.
    Array,
    /// An object, also one that stands for a date, a reference and so on.
    Object,
}

impl ValueType {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::String(_) => Self::String,
            Value::Int(_) | Value::Double(_) | Value::Decimal(_) => Self::Number,
            Value::Bool(_) => Self::Boolean,
            Value::Array(_) => Self::Array,
            _ => Self::Object,
        }
    }
}

/// A rule about one parameter or field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldRule {
    /// Its name.
    pub name: Box<str>,
    /// Whether it must have a value.
    pub required: bool,
    /// The value that it gets when it has none.
    pub default: Option<Value>,
    /// Whether it can't be changed once the object exists.
    pub constant: bool,
    /// The type of its value.
    pub ty: Option<ValueType>,
    /// The values that it may have.
    pub options: Option<Vec<Value>>,
    /// What a caller with another value is told.
    pub error: Option<String>,
}

/// Which roles a caller must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// One of these, if there are any.
    pub any: Option<Vec<Box<str>>>,
    /// All of these.
    pub all: Option<Vec<Box<str>>>,
}

/// What the caller's user must have.
#[derive(Clone, Debug, PartialEq)]
pub enum UserKeys {
    /// Values of these fields.
    Present(Vec<Box<str>>),
    /// Fields with certain values.
    Values(Vec<FieldRule>),
}

/// The rules of one function or trigger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validator {
    /// Somebody must be signed in.
    pub require_user: bool,
    /// The master key is needed.
    pub require_master: bool,
    /// The rules also hold for the master key.
    pub validate_master_key: bool,
    /// A trigger does not run for the master key.
    pub skip_with_master_key: bool,
    /// Roles of the caller.
    pub roles: Roles,
    /// What the caller's user must have.
    pub user_keys: Option<UserKeys>,
    /// Parameters, or fields of the object.
    pub fields: Vec<FieldRule>,
    /// How often it may be called.
    pub rate: Option<crate::RateRule>,
}

/// The fields of an object as it was, by name.
type Before<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// What is checked.
pub(crate) struct Subject<'a> {
    /// Whether a master key was presented.
    pub master: bool,
    /// The fields of the caller's user; of a sign-up, those of the new user.
    pub user: Option<&'a [(std::sync::Arc<str>, Value)]>,
    /// What the caller counts as.
    pub principals: &'a Principals,
    /// Whether the fields are of an object that exists already, and then how they were.
    pub original: Option<Before<'a>>,
    /// Whether `fields` are those of an object.
    pub is_object: bool,
}

impl Validator {
    /// Checks a call. `fields` are the parameters, or the object's fields; defaults and constants
    /// are put into them. Errors: `ValidationFailed`.
    pub(crate) fn check(&self, subject: &Subject<'_>, fields: &mut Map) -> Result<()> {
        if subject.master && !self.validate_master_key {
            return Ok(());
        }
        let needs_user = self.require_user || self.roles.any.is_some() || self.roles.all.is_some();
        if needs_user && subject.user.is_none() {
            return Err(failed("Validation failed. Please login to continue."));
        }
        if self.require_master && !subject.master {
            return Err(failed(
                "Validation failed. Master key is required to complete this request.",
            ));
        }
        for rule in &self.fields {
            rule.check_field(subject, fields)?;
        }
        self.check_roles(subject.principals)?;
        self.check_user(subject)
    }

    fn check_roles(&self, principals: &Principals) -> Result<()> {
        let has = |role: &str| principals.contains(&AclEntry::Role(role.into()));
        if self
            .roles
            .any
            .as_ref()
            .is_some_and(|any| !any.iter().any(|role| has(role)))
        {
            return Err(failed(
                "Validation failed. User does not match the required roles.",
            ));
        }
        if self
            .roles
            .all
            .as_ref()
            .is_some_and(|all| !all.iter().all(|role| has(role)))
        {
            return Err(failed(
                "Validation failed. User does not match all the required roles.",
            ));
        }
        Ok(())
    }

    fn check_user(&self, subject: &Subject<'_>) -> Result<()> {
        let own = |name: &str| {
            let fields = subject.user.unwrap_or_default();
            let found = fields.iter().find(|(n, _)| **n == *name);
            found.map(|(_, value)| value).filter(|v| **v != Value::Null)
        };
        match &self.user_keys {
            None => Ok(()),
            Some(UserKeys::Present(names)) => names.iter().try_for_each(|name| {
                if subject.user.is_none() {
                    return Err(failed("Please login to make this request."));
                }
                match own(name) {
                    Some(_) => Ok(()),
                    None => Err(failed(format!(
                        "Validation failed. Please set data for {name} on your account."
                    ))),
                }
            }),
            Some(UserKeys::Values(rules)) => rules.iter().try_for_each(|rule| {
                if subject.user.is_none() {
                    return Err(failed("Please login to make this request."));
                }
                rule.check_options(own(&rule.name))
            }),
        }
    }
}

impl FieldRule {
    fn check_field(&self, subject: &Subject<'_>, fields: &mut Map) -> Result<()> {
        let name = &*self.name;
        let is_set = |fields: &Map| fields.get(name).is_some_and(|v| *v != Value::Null);
        if let Some(default) = self.default.as_ref().filter(|_| !is_set(fields)) {
            fields.insert(name.to_owned(), default.clone());
        }
        if self.constant && subject.is_object {
            match (subject.original, &self.default) {
                (Some(original), _) => match original(name) {
                    Some(value) => {
                        fields.insert(name.to_owned(), value);
                    }
                    None => {
                        fields.shift_remove(name);
                    }
                },
                (None, Some(default)) => {
                    fields.insert(name.to_owned(), default.clone());
                }
                (None, None) => {}
            }
        }
        if self.required && !is_set(fields) {
            return Err(failed(format!(
                "Validation failed. Please specify data for {name}."
            )));
        }
        let Some(value) = fields.get(name) else {
            return Ok(());
        };
        if let Some(ty) = self.ty
            && ValueType::of(value) != ty
        {
            return Err(failed(format!(
                "Validation failed. Invalid type for {name}. Expected: {}",
                ty.name()
            )));
        }
        self.check_options(Some(value))
    }

    fn check_options(&self, value: Option<&Value>) -> Result<()> {
        let Some(options) = &self.options else {
            return Ok(());
        };
        if value.is_some_and(|value| options.contains(value)) {
            return Ok(());
        }
        Err(failed(self.error.clone().unwrap_or_else(|| {
            let shown: Vec<String> = options.iter().map(plain).collect();
            format!(
                "Validation failed. Invalid option for {}. Expected: {}",
                self.name,
                shown.join(", ")
            )
        })))
    }
}

/// A value in a message.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Int(n) => n.to_string(),
        Value::Double(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => "…".to_owned(),
    }
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Reason::ValidationFailed, message)
}

#[cfg(test)]
mod tests;
