//! The JavaScript that stands between code and the server. Parts are compiled when they are first
//! needed.

/// Its parts, by name: what `host.part(name)` evaluates to. Each is a function.
const PARTS: &[(&str, &str)] = &[
    ("core", include_str!("glue/core.js")),
    ("require", include_str!("glue/require.js")),
    ("cloud", include_str!("glue/cloud.js")),
    ("parse", include_str!("glue/parse.js")),
    ("object", include_str!("glue/object.js")),
    ("query", include_str!("glue/query.js")),
    ("types", include_str!("glue/types.js")),
    ("user", include_str!("glue/user.js")),
    ("web", include_str!("glue/web.js")),
    ("url", include_str!("glue/url.js")),
    ("fetch", include_str!("glue/fetch.js")),
    ("buffer", include_str!("glue/buffer.js")),
    ("node", include_str!("glue/node.js")),
];

/// The source of a part.
pub fn part(name: &str) -> Option<&'static str> {
    let found = PARTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, source)| *source)
}
