//! The product settings of one app, as the engines and the adapter take them.

use crate::config::{AppSettings, Mode, Place, Settings};
use crate::parse_options::{self, Target};
use basalt_base::{Limits, Result};
use basalt_data::FieldRule;

/// Where the Parse adapter is mounted.
pub(crate) const PARSE_MOUNT: &str = "/parse";

/// What Parse Server refuses in requests when nothing else is asked for.
const DENYLIST: [&str; 3] = [
    r#"{"key":"_bsontype","value":"Code"}"#,
    r#"{"key":"constructor"}"#,
    r#"{"key":"__proto__"}"#,
];

/// Options of each layer for one app.
#[derive(Clone, Debug, Default)]
pub(crate) struct Product {
    pub data: basalt_data::Options,
    pub identity: basalt_identity::Options,
    pub api: basalt_api_parse::Options,
    pub functions: basalt_functions::Options,
    /// Of isolates.
    pub isolates: basalt_functions::IsolateOptions,
}

impl Product {
    /// The options of one app: defaults of the mode, then its Parse Server options. Options that
    /// are mapped change `settings` and `app`.
    pub(crate) fn of(settings: &mut Settings, app: &mut AppSettings) -> Result<Self> {
        let mut product = Self::default();
        let open = settings.mode == Mode::Development;
        product.data.new_collections_open = app.new_classes.unwrap_or(open);
        product.data.allow_client_collection_creation = open;
        product.data.key_denylist = DENYLIST.map(Into::into).to_vec();
        product.set_limits(&settings.limits);
        let place = app.parse_place.clone();
        let place = place.unwrap_or_else(|| Place::ParseOptions(format!("options of {}", app.id)));
        let is_first = settings.apps.first().is_none_or(|first| first.id == app.id);
        parse_options::apply(&mut Target {
            is_first,
            settings,
            app,
            product: &mut product,
            place,
        })?;
        product.hide_email();
        product.api.sanitize_refusals = product.data.sanitize_refusals;
        product.data.private_users = product.identity.private_users;
        product.data.limits = product.api.limits.clone();
        let limits = &product.api.limits;
        product.functions.call_time_max = limits.webhook_time_max;
        product.functions.calls_max = limits.webhooks_max;
        product.functions.depth_max = limits.hook_depth_max;
        product.isolates.time_max = limits.cloud_time_max;
        product.isolates.slice_max = limits.cloud_slice_max;
        product.isolates.memory_bytes_max = limits.cloud_memory_bytes_max;
        product.isolates.calls_max = limits.cloud_calls_max;
        product.isolates.isolation_min = settings.cloud_isolation_min;
        Ok(product)
    }

    fn set_limits(&mut self, limits: &Limits) {
        self.api.limits = limits.clone();
        self.identity.name_bytes_max = limits.name_bytes_max;
    }

    /// Other users' e-mail addresses are hidden, also when more fields are.
    fn hide_email(&mut self) {
        let fields = &mut self.data.protected_fields;
        let everybody = |rule: &FieldRule| &*rule.group == "*";
        let rule = fields
            .iter_mut()
            .find(|(collection, rule)| &**collection == "_User" && everybody(rule));
        match rule {
            Some(_) if !self.data.protected_fields_owner_exempt => {}
            Some((_, rule)) if rule.fields.iter().any(|field| &**field == "email") => {}
            Some((_, rule)) => rule.fields.push("email".into()),
            None => fields.push((
                "_User".into(),
                FieldRule {
                    group: "*".into(),
                    fields: vec!["email".into()],
                },
            )),
        }
    }
}
