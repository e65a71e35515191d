//! One row for each option of Parse Server 9.

use super::{Target, read};
use crate::config::{Place, invalid};
use crate::product::{PARSE_MOUNT, Product};
use basalt_base::{Result, Secret};
use serde_json::Value;

/// What becomes of an option.
#[derive(Clone, Copy)]
pub(crate) enum Treatment {
    /// It has the meaning that it has there; `None` when the value has the wrong form.
    Honoured(fn(&mut Product, &Value) -> Option<()>),
    /// It sets one of our settings; a conflict with that one stops the start.
    Mapped(fn(&mut Target<'_>, &Value) -> Result<()>),
    /// There is nothing here that it could be about; one warning.
    Meaningless,
    /// It stops the start, unless the value asks for nothing.
    NotBuilt(fn(&Value) -> bool),
}

/// An option.
pub(crate) struct Row {
    pub name: &'static str,
    pub treatment: Treatment,
    /// Honoured: the expected form. Mapped: the setting. Meaningless: why.
    pub note: &'static str,
}

macro_rules! honoured {
    ($name:literal, $note:literal, $set:expr) => {
        Row {
            name: $name,
            treatment: Treatment::Honoured($set),
            note: $note,
        }
    };
}

macro_rules! boolean {
    ($name:literal, $($field:ident).+) => {
        honoured!($name, "true or false", |p, v| {
            p.$($field).+ = read::boolean(v)?;
            Some(())
        })
    };
}

macro_rules! key {
    ($name:literal, $field:ident, $setting:literal) => {
        Row {
            name: $name,
            note: concat!("`", $setting, "`"),
            treatment: Treatment::Mapped(|t, v| {
                let secret = secret(v).ok_or_else(|| {
                    super::wrong(
                        $name,
                        &Value::from("(hidden)"),
                        &t.place,
                        "text without spaces",
                    )
                })?;
                match &t.app.$field {
                    Some(own) if *own != secret => Err(conflict(t, $name, $setting)),
                    _ => {
                        t.app.$field = Some(secret);
                        Ok(())
                    }
                }
            }),
        }
    };
}

macro_rules! meaningless {
    ($name:literal, $why:literal) => {
        Row {
            name: $name,
            treatment: Treatment::Meaningless,
            note: $why,
        }
    };
}

macro_rules! not_built {
    ($name:literal) => {
        Row {
            name: $name,
            treatment: Treatment::NotBuilt(read::is_off),
            note: "",
        }
    };
    // Options that are on by default and name something that is not there to switch off, or that
    // say the default in words.
    ($name:literal, $default:expr) => {
        Row {
            name: $name,
            treatment: Treatment::NotBuilt(|value| *value == serde_json::json!($default)),
            note: "",
        }
    };
}

/// All of them, by name.
pub(crate) const OPTIONS: &[Row] = &[
    not_built!("accountLockout"),
    not_built!("allowAggregationForReadOnlyMasterKey", true),
    boolean!(
        "allowClientClassCreation",
        data.allow_client_collection_creation
    ),
    boolean!("allowCustomObjectId", data.allow_custom_ids),
    not_built!("allowExpiredAuthDataToken"),
    honoured!("allowHeaders", "a list of header names", |p, v| {
        p.api.allow_headers = read::texts(v)?;
        Some(())
    }),
    honoured!("allowOrigin", "an origin or a list of them", |p, v| {
        p.api.allow_origin = read::texts(v)?;
        Some(())
    }),
    meaningless!(
        "analyticsAdapter",
        "events of analytics are accepted and not kept"
    ),
    Row {
        name: "appId",
        note: "`[apps.ID]`, `BASALT_APP_ID`",
        treatment: Treatment::Mapped(app_id),
    },
    meaningless!(
        "appName",
        "it appears in mails only, and there are none yet"
    ),
    not_built!("auth"),
    meaningless!("cacheAdapter", "caches are part of the server"),
    meaningless!("cacheMaxSize", "caches are part of the server"),
    meaningless!(
        "cacheTTL",
        "caches are part of the server, and never older than 5 s"
    ),
    key!("clientKey", client_key, "client_key"),
    not_built!("cloud"),
    meaningless!("cluster", "one process uses all cores"),
    meaningless!("collectionPrefix", "each app has a database of its own"),
    boolean!(
        "convertEmailToLowercase",
        identity.convert_email_to_lowercase
    ),
    boolean!(
        "convertUsernameToLowercase",
        identity.convert_username_to_lowercase
    ),
    not_built!("customPages"),
    meaningless!("databaseAdapter", "the store is chosen by `database_url`"),
    meaningless!("databaseOptions", "the store is chosen by `database_url`"),
    meaningless!("databaseURI", "the store is chosen by `database_url`"),
    honoured!("defaultLimit", "a whole number", |p, v| {
        p.api.limits.query_rows_default = read::whole(v)?.try_into().ok()?;
        Some(())
    }),
    meaningless!(
        "directAccess",
        "requests of the server's own code never go through HTTP"
    ),
    key!("dotNetKey", dotnet_key, "dotnet_key"),
    not_built!("emailAdapter"),
    not_built!("emailVerifySuccessOnInvalidEmail", true),
    not_built!("emailVerifyTokenReuseIfValid"),
    not_built!("emailVerifyTokenValidityDuration"),
    boolean!("enableAnonymousUsers", identity.anonymous_users),
    meaningless!(
        "enableCollationCaseComparison",
        "comparison of case does not depend on the store"
    ),
    meaningless!("enableExpressErrorHandler", "there is no Express"),
    not_built!("enableInsecureAuthAdapters"),
    meaningless!(
        "enableProductPurchaseLegacyApi",
        "the receipts of that service are not checked any more"
    ),
    boolean!("enableSanitizedErrorResponse", data.sanitize_refusals),
    not_built!("encryptionKey"),
    boolean!("enforcePrivateUsers", identity.private_users),
    honoured!("expireInactiveSessions", "true or false", |p, v| {
        if !read::boolean(v)? {
            p.identity.session_length = None;
        }
        Some(())
    }),
    boolean!("extendSessionOnUse", identity.extend_session_on_use),
    not_built!("fileDownload"),
    meaningless!(
        "fileKey",
        "it names files of the hosted service that ended in 2017"
    ),
    not_built!("fileUpload"),
    not_built!("filesAdapter"),
    not_built!("graphQLPath", "/graphql"),
    not_built!("graphQLPublicIntrospection"),
    not_built!("graphQLSchema"),
    Row {
        name: "host",
        note: "`listen`",
        treatment: Treatment::Mapped(host),
    },
    honoured!(
        "idempotencyOptions",
        "{ paths: [regular expressions], ttl: seconds }",
        idempotency
    ),
    not_built!("installation"),
    key!("javascriptKey", javascript_key, "javascript_key"),
    meaningless!(
        "jsonLogs",
        "logs are JSON whenever standard error is no terminal"
    ),
    honoured!(
        "liveQuery",
        "{ classNames: [class names or regular expressions] }; nodes are joined by `nats_url`",
        live_query
    ),
    honoured!(
        "liveQueryServerOptions",
        "{ keyPairs: { masterKey, javascriptKey, restAPIKey, clientKey, windowsKey }, websocketTimeout: ms, cacheTimeout: ms }",
        live_query_server
    ),
    Row {
        name: "logLevel",
        note: "`log`",
        treatment: Treatment::Mapped(log_level),
    },
    meaningless!("logLevels", "the levels of single events are fixed"),
    meaningless!("loggerAdapter", "logs go to standard error"),
    meaningless!("logsFolder", "logs go to standard error"),
    key!("maintenanceKey", maintenance_key, "maintenance_key"),
    honoured!(
        "maintenanceKeyIps",
        "a list of addresses and networks such as 10.0.0.0/8",
        |p, v| {
            p.api.maintenance_key_ips = read::networks(v)?;
            Some(())
        }
    ),
    key!("masterKey", master_key, "master_key"),
    honoured!(
        "masterKeyIps",
        "a list of addresses and networks such as 10.0.0.0/8",
        |p, v| {
            p.api.master_key_ips = read::networks(v)?;
            Some(())
        }
    ),
    meaningless!("masterKeyTtl", "the master key is no function"),
    honoured!("maxLimit", "a whole number", |p, v| {
        p.data.query_rows_max = Some(read::whole(v)?);
        Some(())
    }),
    meaningless!("maxLogFiles", "logs go to standard error"),
    honoured!("maxUploadSize", "a size such as 20mb", |p, v| {
        p.api.limits.body_bytes_max = read::size(v)?;
        Some(())
    }),
    not_built!("middleware"),
    not_built!("mountGraphQL"),
    Row {
        name: "mountPath",
        note: "the prefix `/parse`, which is fixed",
        treatment: Treatment::Mapped(mount_path),
    },
    not_built!("mountPlayground"),
    honoured!("objectIdSize", "a whole number from 5 to 50", |p, v| {
        p.data.id_length = usize::try_from(read::whole(v)?)
            .ok()
            .filter(|n| (5..=50).contains(n))?;
        Some(())
    }),
    not_built!("pages"),
    not_built!("passwordPolicy"),
    not_built!("playgroundPath", "/playground"),
    Row {
        name: "port",
        note: "`listen`",
        treatment: Treatment::Mapped(port),
    },
    not_built!("preserveFileName"),
    not_built!("preventLoginWithUnverifiedEmail"),
    not_built!("preventSignupWithUnverifiedEmail"),
    honoured!(
        "protectedFields",
        "{ Class: { group: [fields] } }",
        |p, v| {
            p.data.protected_fields.extend(read::protected_fields(v)?);
            Some(())
        }
    ),
    boolean!(
        "protectedFieldsOwnerExempt",
        data.protected_fields_owner_exempt
    ),
    not_built!("protectedFieldsSaveResponseExempt", true),
    not_built!("protectedFieldsTriggerExempt"),
    Row {
        name: "publicServerURL",
        note: "`public_url`",
        treatment: Treatment::Mapped(|t, v| public_url(t, "publicServerURL", v)),
    },
    not_built!("push"),
    not_built!("query"),
    honoured!(
        "rateLimit",
        "{ requestPath, requestTimeWindow: ms, requestCount, requestMethods, includeMasterKey, includeInternalRequests, errorResponseMessage, zone }, or a list of them",
        rate_limit
    ),
    key!(
        "readOnlyMasterKey",
        read_only_master_key,
        "read_only_master_key"
    ),
    honoured!(
        "readOnlyMasterKeyIps",
        "a list of addresses and networks such as 10.0.0.0/8",
        |p, v| {
            p.api.read_only_master_key_ips = Some(read::networks(v)?);
            Some(())
        }
    ),
    honoured!(
        "requestComplexity",
        "limits by their names, -1 for none",
        complexity
    ),
    not_built!("requestContextMiddleware"),
    honoured!(
        "requestKeywordDenylist",
        "[{ key: pattern, value: pattern }]",
        |p, v| {
            p.data.key_denylist = read::denylist(v)?;
            Some(())
        }
    ),
    key!("restAPIKey", rest_key, "rest_key"),
    boolean!(
        "revokeSessionOnPasswordReset",
        identity.revoke_session_on_password_reset
    ),
    not_built!("routeAllowList"),
    not_built!("scheduledPush"),
    not_built!("schema"),
    not_built!("security"),
    not_built!("sendUserEmailVerification", true),
    meaningless!(
        "serverCloseComplete",
        "it is a function of the Node.js process"
    ),
    Row {
        name: "serverURL",
        note: "`public_url`",
        treatment: Treatment::Mapped(|t, v| public_url(t, "serverURL", v)),
    },
    honoured!("sessionLength", "a number of seconds", |p, v| {
        let seconds = read::seconds(v)?;
        p.identity.session_length = p.identity.session_length.map(|_| seconds);
        Some(())
    }),
    meaningless!("silent", "logs go to standard error; `log` says how much"),
    boolean!("startLiveQueryServer", api.live.enabled),
    Row {
        name: "trustProxy",
        note: "`trusted_proxies`",
        treatment: Treatment::Mapped(trust_proxy),
    },
    honoured!(
        "userSensitiveFields",
        "a list of fields of _User",
        sensitive_fields
    ),
    Row {
        name: "verbose",
        note: "`log`",
        treatment: Treatment::Mapped(verbose),
    },
    meaningless!(
        "verifyServerUrl",
        "the ready line says that the server listens"
    ),
    not_built!("verifyUserEmails"),
    key!("webhookKey", webhook_key, "webhook_key"),
];

fn secret(value: &Value) -> Option<Secret> {
    let text = value.as_str()?;
    let good = !text.is_empty() && !text.contains(char::is_whitespace);
    good.then(|| Secret::new(text))
}

fn conflict(target: &Target<'_>, option: &str, setting: &str) -> basalt_base::Error {
    let place = &target.place;
    invalid(format!(
        "the Parse Server option `{option}` ({place}) and the setting `{setting}` differ; give one of them"
    ))
}

fn text<'v>(target: &Target<'_>, option: &str, value: &'v Value) -> Result<&'v str> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| super::wrong(option, value, &target.place, "text"))
}

fn app_id(target: &mut Target<'_>, value: &Value) -> Result<()> {
    if text(target, "appId", value)? == target.app.id {
        return Ok(());
    }
    Err(conflict(target, "appId", "app id"))
}

fn mount_path(target: &mut Target<'_>, value: &Value) -> Result<()> {
    if text(target, "mountPath", value)?.trim_end_matches('/') == PARSE_MOUNT {
        return Ok(());
    }
    Err(super::wrong(
        "mountPath",
        value,
        &target.place,
        "/parse, the path at which Basalt serves this protocol",
    ))
}

/// An address of Parse Server includes its mount path, ours does not. The public one wins over the
/// other, which often is an internal one.
fn public_url(target: &mut Target<'_>, option: &str, value: &Value) -> Result<()> {
    let address = text(target, option, value)?.trim_end_matches('/');
    let Some(origin) = address.strip_suffix(PARSE_MOUNT) else {
        let expected = "an address that ends with /parse, where Basalt serves this protocol";
        return Err(super::wrong(option, value, &target.place, expected));
    };
    let settings = &mut *target.settings;
    match settings.origins.get("public_url") {
        Some(Place::ParseOptions(_)) if option == "serverURL" => Ok(()),
        Some(Place::ParseOptions(_)) | None => {
            settings.public_url = Some(origin.to_owned());
            settings
                .origins
                .insert("public_url".to_owned(), target.place.clone());
            Ok(())
        }
        Some(_) if settings.public_url.as_deref() == Some(origin) || option == "serverURL" => {
            Ok(())
        }
        Some(_) => Err(conflict(target, option, "public_url")),
    }
}

/// Changes `listen`, unless it is given and says something else.
fn listen(
    target: &mut Target<'_>,
    option: &str,
    change: impl Fn(&str, &str) -> String,
) -> Result<()> {
    let settings = &mut *target.settings;
    let (host, port) = settings
        .listen
        .rsplit_once(':')
        .unwrap_or((&settings.listen, "1337"));
    let changed = change(host, port);
    match settings.origins.get("listen") {
        Some(Place::ParseOptions(_)) | None => {
            settings.listen = changed;
            settings
                .origins
                .insert("listen".to_owned(), target.place.clone());
            Ok(())
        }
        Some(_) if settings.listen == changed => Ok(()),
        Some(_) => Err(conflict(target, option, "listen")),
    }
}

fn port(target: &mut Target<'_>, value: &Value) -> Result<()> {
    let port = read::whole(value).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| super::wrong("port", value, &target.place, "a port number"))?;
    listen(target, "port", |host, _| format!("{host}:{port}"))
}

fn host(target: &mut Target<'_>, value: &Value) -> Result<()> {
    let host = text(target, "host", value)?.to_owned();
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host
    };
    listen(target, "host", |_, port| format!("{host}:{port}"))
}

fn trust_proxy(target: &mut Target<'_>, value: &Value) -> Result<()> {
    if read::is_off(value) {
        return Ok(());
    }
    let networks = read::networks(value).and_then(|networks| {
        let network = |(ip, prefix)| basalt_listener::Network::new(ip, prefix);
        networks
            .into_iter()
            .map(network)
            .collect::<Option<Vec<_>>>()
    });
    let Some(networks) = networks else {
        let expected = "a list of networks such as 10.0.0.0/8; a number of hops or `true` would let clients forge their address";
        return Err(super::wrong("trustProxy", value, &target.place, expected));
    };
    let settings = &mut *target.settings;
    match settings.origins.get("trusted_proxies") {
        Some(_) if settings.trusted_proxies != networks => {
            Err(conflict(target, "trustProxy", "trusted_proxies"))
        }
        _ => {
            settings.trusted_proxies = networks;
            settings
                .origins
                .insert("trusted_proxies".to_owned(), target.place.clone());
            Ok(())
        }
    }
}

fn set_log(target: &mut Target<'_>, level: &str) {
    if !target.settings.origins.contains_key("log") {
        level.clone_into(&mut target.settings.log);
    }
}

fn log_level(target: &mut Target<'_>, value: &Value) -> Result<()> {
    let level = match text(target, "logLevel", value)? {
        "error" => "error",
        "warn" => "warn",
        "info" => "info",
        "verbose" | "debug" => "debug",
        "silly" => "trace",
        _ => {
            return Err(super::wrong(
                "logLevel",
                value,
                &target.place,
                "error, warn, info, verbose, debug or silly",
            ));
        }
    };
    set_log(target, level);
    Ok(())
}

fn verbose(target: &mut Target<'_>, value: &Value) -> Result<()> {
    let on = read::boolean(value);
    if on.ok_or_else(|| super::wrong("verbose", value, &target.place, "true or false"))? {
        set_log(target, "debug");
    }
    Ok(())
}

fn rate_limit(product: &mut Product, value: &Value) -> Option<()> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let rule = |item: &Value| {
        let rule = basalt_api_parse::rate_rule(&read::plain(item)).ok()?;
        rule.path.is_some().then_some(rule)
    };
    product.functions.rate_limits = items.iter().map(rule).collect::<Option<_>>()?;
    Some(())
}

fn idempotency(product: &mut Product, value: &Value) -> Option<()> {
    for (key, value) in value.as_object()? {
        match key.as_str() {
            "paths" => product.api.idempotency_paths = read::texts(value)?,
            "ttl" => product.api.idempotency_ttl_seconds = read::seconds(value)?.as_secs(),
            _ => return None,
        }
    }
    Some(())
}

fn complexity(product: &mut Product, value: &Value) -> Option<()> {
    for (key, value) in value.as_object()? {
        let limits = &mut product.api.limits;
        match key.as_str() {
            "batchRequestLimit" => limits.batch_requests_max = read::limit(value)?,
            "includeCount" => limits.include_paths_max = read::limit(value)?,
            "includeDepth" => limits.include_depth_max = read::limit(value)?,
            "queryDepth" => limits.filter_depth_max = read::limit(value)?,
            "subqueryDepth" => limits.subquery_depth_max = read::limit(value)?,
            "subqueryLimit" => limits.subquery_rows_max = read::limit(value)?,
            // There is no GraphQL that they could limit.
            "graphQLDepth" | "graphQLFields" => _ = read::limit(value)?,
            "allowRegex" => product.api.allow_regex = read::boolean(value)?,
            _ => return None,
        }
    }
    Some(())
}

fn live_query(product: &mut Product, value: &Value) -> Option<()> {
    for (key, value) in value.as_object()? {
        if key != "classNames" {
            return None;
        }
        let class = |name: &String| basalt_api_parse::LiveOptions::class(name).ok();
        let classes = read::texts(value)?;
        product.api.live.classes = Some(classes.iter().map(class).collect::<Option<_>>()?);
    }
    Some(())
}

fn live_query_server(product: &mut Product, value: &Value) -> Option<()> {
    for (key, value) in value.as_object()? {
        let live = &mut product.api.live;
        match key.as_str() {
            "websocketTimeout" => live.ping_every = read::millis(value)?,
            // What is remembered of rights is dropped with the change that makes it void.
            "cacheTimeout" => _ = read::millis(value)?,
            "keyPairs" => {
                let mut keys = basalt_api_parse::Keys::default();
                for (name, key) in value.as_object()? {
                    let slot = match name.as_str() {
                        "masterKey" => &mut keys.master,
                        "javascriptKey" => &mut keys.javascript,
                        "restAPIKey" => &mut keys.rest,
                        "clientKey" => &mut keys.client,
                        "windowsKey" => &mut keys.windows,
                        _ => return None,
                    };
                    *slot = Some(secret(key)?);
                }
                live.key_pairs = Some(keys);
            }
            _ => return None,
        }
    }
    Some(())
}

fn sensitive_fields(product: &mut Product, value: &Value) -> Option<()> {
    let fields = read::texts(value)?
        .iter()
        .map(|field| field.as_str().into())
        .collect();
    let group = "*".into();
    product
        .data
        .protected_fields
        .push(("_User".into(), basalt_data::FieldRule { group, fields }));
    Some(())
}
