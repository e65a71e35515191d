use super::*;
use serde_json::json;

/// The options of Parse Server 9.10, from its own table of definitions.
const KNOWN: &str = "accountLockout allowAggregationForReadOnlyMasterKey allowClientClassCreation allowCustomObjectId allowExpiredAuthDataToken allowHeaders allowOrigin analyticsAdapter appId appName auth cacheAdapter cacheMaxSize cacheTTL clientKey cloud cluster collectionPrefix convertEmailToLowercase convertUsernameToLowercase customPages databaseAdapter databaseOptions databaseURI defaultLimit directAccess dotNetKey emailAdapter emailVerifySuccessOnInvalidEmail emailVerifyTokenReuseIfValid emailVerifyTokenValidityDuration enableAnonymousUsers enableCollationCaseComparison enableExpressErrorHandler enableInsecureAuthAdapters enableProductPurchaseLegacyApi enableSanitizedErrorResponse encryptionKey enforcePrivateUsers expireInactiveSessions extendSessionOnUse fileDownload fileKey fileUpload filesAdapter graphQLPath graphQLPublicIntrospection graphQLSchema host idempotencyOptions installation javascriptKey jsonLogs liveQuery liveQueryServerOptions logLevel logLevels loggerAdapter logsFolder maintenanceKey maintenanceKeyIps masterKey masterKeyIps masterKeyTtl maxLimit maxLogFiles maxUploadSize middleware mountGraphQL mountPath mountPlayground objectIdSize pages passwordPolicy playgroundPath port preserveFileName preventLoginWithUnverifiedEmail preventSignupWithUnverifiedEmail protectedFields protectedFieldsOwnerExempt protectedFieldsSaveResponseExempt protectedFieldsTriggerExempt publicServerURL push query rateLimit readOnlyMasterKey readOnlyMasterKeyIps requestComplexity requestContextMiddleware requestKeywordDenylist restAPIKey revokeSessionOnPasswordReset routeAllowList scheduledPush schema security sendUserEmailVerification serverCloseComplete serverURL sessionLength silent startLiveQueryServer trustProxy userSensitiveFields verbose verifyServerUrl verifyUserEmails webhookKey";

fn run(
    options: Value,
    change: impl FnOnce(&mut Settings, &mut AppSettings),
) -> Result<(Product, Settings, AppSettings)> {
    let mut settings = Settings::default();
    let mut app = AppSettings {
        id: "main".to_owned(),
        parse: options.as_object().cloned().unwrap_or_default(),
        parse_place: Some(Place::ParseOptions("o.json".to_owned())),
        ..AppSettings::default()
    };
    change(&mut settings, &mut app);
    let product = Product::of(&mut settings, &mut app)?;
    Ok((product, settings, app))
}

fn good(options: Value) -> (Product, Settings, AppSettings) {
    run(options, |_, _| {}).unwrap()
}

fn error(options: Value) -> String {
    run(options, |_, _| {}).err().unwrap().message().to_owned()
}

#[test]
fn there_is_one_row_for_each_option() {
    let rows: Vec<_> = OPTIONS.iter().map(|row| row.name).collect();
    assert_eq!(rows.len(), 110);
    assert_eq!(rows, KNOWN.split(' ').collect::<Vec<_>>());
}

#[test]
fn options_reach_the_layer_that_they_are_about() {
    let (product, _, _) = good(json!({
        "allowClientClassCreation": true,
        "enableSanitizedErrorResponse": false,
        "enforcePrivateUsers": false,
        "sessionLength": 60,
        "masterKeyIps": ["0.0.0.0/0"],
        "maxUploadSize": "1mb",
        "maxLimit": 5,
        "objectIdSize": 12,
        "idempotencyOptions": { "paths": ["classes/.*"], "ttl": 9 },
        "requestComplexity": { "batchRequestLimit": 7, "queryDepth": -1 },
    }));
    assert!(product.data.allow_client_collection_creation);
    assert!(!product.data.sanitize_refusals && !product.api.sanitize_refusals);
    assert!(!product.data.private_users && !product.identity.private_users);
    assert_eq!(
        product
            .identity
            .session_length
            .map(|length| length.as_secs()),
        Some(60)
    );
    assert_eq!(product.api.master_key_ips[0].1, 0);
    assert_eq!(product.data.limits.body_bytes_max, 1 << 20);
    assert_eq!(product.data.query_rows_max, Some(5));
    assert_eq!(product.data.id_length, 12);
    assert_eq!(product.api.idempotency_paths, ["classes/.*"]);
    assert_eq!(product.api.limits.batch_requests_max, 7);
    assert_eq!(product.data.limits.filter_depth_max, usize::MAX);
}

#[test]
fn sessions_without_end_do_not_depend_on_the_order_of_options() {
    for options in [
        json!({ "expireInactiveSessions": false, "sessionLength": 5 }),
        json!({ "sessionLength": 5, "expireInactiveSessions": false }),
    ] {
        assert_eq!(good(options).0.identity.session_length, None);
    }
}

#[test]
fn other_users_addresses_stay_hidden() {
    let hidden = |options: Value| {
        let product = good(options).0;
        let mut rules: Vec<_> = product
            .data
            .protected_fields
            .iter()
            .map(|(class, rule)| format!("{class} {} {:?}", rule.group, rule.fields))
            .collect();
        rules.sort();
        rules
    };
    assert_eq!(hidden(json!({})), [r#"_User * ["email"]"#]);
    assert_eq!(
        hidden(
            json!({ "protectedFields": { "_User": { "*": ["phone"] }, "A": { "role:x": ["b"] } } })
        ),
        [r#"A role:x ["b"]"#, r#"_User * ["phone", "email"]"#]
    );
    assert_eq!(
        hidden(
            json!({ "protectedFields": { "_User": { "*": [] } }, "protectedFieldsOwnerExempt": false })
        ),
        ["_User * []"]
    );
}

#[test]
fn mapped_options_set_what_is_not_set() {
    let (_, settings, app) = good(json!({
        "appId": "main", "masterKey": "m", "mountPath": "/parse", "port": 8080, "host": "::1",
        "serverURL": "http://internal:1/parse", "publicServerURL": "https://a.example/parse",
        "trustProxy": ["10.0.0.0/8"], "logLevel": "verbose",
    }));
    assert_eq!(app.master_key.unwrap().expose(), "m");
    assert_eq!(settings.listen, "[::1]:8080");
    assert_eq!(settings.public_url.as_deref(), Some("https://a.example"));
    assert_eq!(settings.trusted_proxies.len(), 1);
    assert_eq!(settings.log, "debug");
}

#[test]
fn a_conflict_stops_the_start() {
    assert!(error(json!({ "appId": "other" })).contains("`app id` differ"));
    assert!(error(json!({ "mountPath": "/1" })).contains("expected /parse"));
    assert!(error(json!({ "serverURL": "http://a/1" })).contains("ends with /parse"));
    assert!(error(json!({ "trustProxy": true })).contains("forge"));
    let given = |key: &'static str| {
        move |settings: &mut Settings, app: &mut AppSettings| {
            app.master_key = Some(basalt_base::Secret::new("own"));
            settings.public_url = Some("https://own".to_owned());
            settings
                .origins
                .insert(key.to_owned(), Place::Flag("--x".to_owned()));
        }
    };
    let conflict = |options: Value, key| {
        run(options, given(key))
            .err()
            .map(|e| e.message().to_owned())
    };
    assert!(
        conflict(json!({ "masterKey": "m" }), "x")
            .unwrap()
            .contains("`master_key` differ")
    );
    assert_eq!(conflict(json!({ "masterKey": "own" }), "x"), None);
    assert!(conflict(json!({ "publicServerURL": "http://b/parse" }), "public_url").is_some());
    assert!(conflict(json!({ "port": 1 }), "listen").is_some());
    assert_eq!(conflict(json!({ "port": 1337 }), "listen"), None);
}

#[test]
fn the_meaningless_is_warned_about_once_each() {
    let (_, settings, _) =
        good(json!({ "databaseURI": "mongodb://x", "cluster": true, "cacheTTL": null }));
    assert_eq!(settings.warnings.len(), 2);
    assert!(settings.warnings[0].contains("`databaseURI`"));
}

#[test]
fn rate_limits_are_read_and_nonsense_stops_the_start() {
    let one =
        json!({ "requestPath": "/functions/*name", "requestTimeWindow": 1000, "requestCount": 5 });
    let (product, ..) = good(json!({ "rateLimit": one }));
    assert_eq!(product.functions.rate_limits[0].count, 5);
    let (product, ..) = good(json!({ "rateLimit": [one, one] }));
    assert_eq!(product.functions.rate_limits.len(), 2);
    for bad in [
        json!({ "requestPath": "*" }),
        json!([{ "requestCount": 1 }]),
        json!(5),
    ] {
        let message = error(json!({ "rateLimit": bad }));
        assert!(message.contains("requestTimeWindow"), "{message}");
    }
}

#[test]
fn what_is_not_built_stops_the_start_unless_it_asks_for_nothing() {
    for options in [
        json!({ "emailAdapter": { "module": "x" } }),
        json!({ "verifyUserEmails": true }),
        json!({ "cloud": "main.js" }),
        json!({ "accountLockout": { "threshold": 3, "duration": 5 } }),
        json!({ "protectedFieldsSaveResponseExempt": false }),
    ] {
        let name = options.as_object().unwrap().keys().next().unwrap().clone();
        let message = error(options);
        assert_eq!(
            message,
            format!("the Parse Server option `{name}` (o.json) is not available in this version")
        );
    }
    good(json!({
        "verifyUserEmails": false, "rateLimit": [], "fileUpload": {}, "liveQuery": null,
        "protectedFieldsSaveResponseExempt": true, "graphQLPath": "/graphql",
    }));
    assert_eq!(
        error(json!({ "nonsense": 1 })),
        "`nonsense` (o.json) is no option of Parse Server"
    );
}

#[test]
fn wrong_forms_are_named_and_secrets_are_not() {
    assert_eq!(
        error(json!({ "sessionLength": "long" })),
        "`sessionLength` = \"long\" (o.json): expected a number of seconds"
    );
    assert!(!error(json!({ "masterKey": "two words" })).contains("two words"));
}

#[test]
fn only_the_first_app_sets_what_all_apps_share() {
    let app = |id: &str, parse: Value| AppSettings {
        id: id.to_owned(),
        parse: parse.as_object().unwrap().clone(),
        ..AppSettings::default()
    };
    for options in [
        json!({"publicServerURL": "https://b.example/parse"}),
        json!({"serverURL": "https://b.example/parse"}),
        json!({"port": 4000}),
        json!({"host": "0.0.0.0"}),
        json!({"trustProxy": ["10.0.0.0/8"]}),
        json!({"logLevel": "silly"}),
        json!({"verbose": true}),
    ] {
        let with = |apps: Vec<AppSettings>| {
            let mut settings = Settings {
                apps,
                ..Settings::default()
            };
            crate::settle(&mut settings).map(|()| settings)
        };
        let first = app("a", options.clone());
        assert!(with(vec![first.clone()]).is_ok(), "{options}");
        let second = app("b", options.clone());
        let error = with(vec![app("a", json!({})), second.clone()]).unwrap_err();
        assert!(error.message().contains("only the first app"), "{error:?}");
        // Saying the same is no harm.
        assert!(with(vec![first, second]).is_ok(), "{options}");
    }
}
