//! ES modules of a bundle. Only its own files, and `parse` and the built-in modules through the
//! glue; a path can't lead out, since there is nothing but a table of names.

use crate::shared::Shared;
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};
use std::rc::Rc;

/// Finds and loads the files of a bundle.
#[derive(Clone)]
pub struct Files(pub Rc<Shared>);

/// Modules that the glue has; importing one gives what `require` gives as its default.
const BRIDGE: &str = "basalt:";

impl Resolver for Files {
    fn resolve<'js>(
        &mut self,
        _ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if !name.starts_with('.') && !name.starts_with('/') {
            return Ok(format!("{BRIDGE}{name}"));
        }
        let path = joined(base, name);
        let files = self.0.files.borrow();
        let candidates = [
            path.clone(),
            format!("{path}.js"),
            format!("{path}.mjs"),
            format!("{path}/index.js"),
        ];
        let found = candidates.into_iter().find(|path| files.contains_key(path));
        found.ok_or_else(|| Error::new_resolving(base, name))
    }
}

impl Loader for Files {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if let Some(module) = name.strip_prefix(BRIDGE) {
            // The name is data of the new module, not code: only plain names are let through.
            let plain = |c: char| c.is_ascii_alphanumeric() || "@/-_.:".contains(c);
            if !module.chars().all(plain) {
                return Err(Error::new_loading(name));
            }
            let source = format!("export default globalThis.require('{module}');");
            return Module::declare(ctx.clone(), name, source);
        }
        let content = self.0.files.borrow().get(name).cloned();
        let content = content.ok_or_else(|| Error::new_loading(name))?;
        if name
            .rsplit_once('.')
            .is_some_and(|(_, kind)| kind == "json")
        {
            let text = String::from_utf8_lossy(&content);
            return Module::declare(ctx.clone(), name, format!("export default {text};"));
        }
        Module::declare(ctx.clone(), name, content.to_vec())
    }
}

/// A path relative to the folder of another one. What would lead out of the bundle stays in it.
pub fn joined(base: &str, name: &str) -> String {
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let start = if name.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn paths_stay_in_the_bundle() {
        let table = [
            ("main.js", "./a", "a"),
            ("a/b.js", "../c.js", "c.js"),
            ("a/b.js", "./c/./d", "a/c/d"),
            ("main.js", "../../../etc/passwd", "etc/passwd"),
            ("a/b.js", "/c", "c"),
        ];
        for (base, name, expected) in table {
            assert_eq!(joined(base, name), expected, "{base} {name}");
        }
    }
}
