//! Which module imports which, read from the sources as the compiler reads them, and whether that goes round in a circle.
//!
//! A name is followed to the module that defines it, through re-exports: who takes a name from its parent that a sibling
//! defines imports the sibling. What stands in tests does not count, and neither does what only a macro's arguments name.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Meta, UseTree, Visibility,
    visit::{self, Visit},
};

/// A module by its path, beginning with its crate: `common::caller::token`.
type Module = String;
/// Re-exports that lead to each other end here.
const MAX_STEPS: u32 = 20;

/// The modules of a crate, and what each of them says of names.
struct Crate {
    name: String,
    modules: BTreeMap<Module, Names>,
    /// Exported macros, and the modules that define them.
    macros: HashMap<String, Module>,
}

/// What one module says of names.
#[derive(Default)]
struct Names {
    children: BTreeSet<String>,
    /// Names that it takes from elsewhere, by the name that they have here, and the paths of all that it takes.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Every path of two segments and more that it mentions.
    paths: Vec<Vec<String>>,
    /// Single names that it mentions: from elsewhere only if they come with all names of a module.
    words: BTreeSet<String>,
}

/// The circles of the crate whose sources are in `folder`: the modules of each, sorted.
pub fn circles(folder: &Path) -> Result<Vec<Vec<Module>>> {
    let root = ["lib.rs", "main.rs"].map(|file| folder.join(file)).into_iter().find(|file| file.exists());
    let Some(root) = root else { return Ok(Vec::new()) };
    let parsed = Crate::read(&root)?;
    Ok(circles_in(&parsed.edges()))
}

/// The circles of a graph.
pub fn circles_in(edges: &BTreeSet<(Module, Module)>) -> Vec<Vec<Module>> {
    let graph: DiGraphMap<&str, ()> = edges.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let mut circles: Vec<Vec<Module>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|component| component.len() > 1)
        .map(|component| {
            let mut circle: Vec<Module> = component.into_iter().map(str::to_owned).collect();
            circle.sort();
            circle
        })
        .collect();
    circles.sort();
    circles
}

impl Crate {
    fn read(root: &Path) -> Result<Self> {
        let mut parsed = Self { name: "crate".to_owned(), modules: BTreeMap::new(), macros: HashMap::new() };
        let name = parsed.name.clone();
        parsed.read_file(root, &name, root.parent().context("a file is in a folder")?)?;
        Ok(parsed)
    }

    /// Reads a file and those of its modules, which are in `folder`.
    fn read_file(&mut self, file: &Path, module: &str, folder: &Path) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("{} cannot be parsed", file.display()))?;
        self.read_items(&parsed.items, module, folder)
    }

    fn read_items(&mut self, items: &[Item], module: &str, folder: &Path) -> Result<()> {
        let mut reader = Reader::default();
        let mut children: Vec<(&ItemMod, PathBuf)> = Vec::new();
        for item in items {
            match item {
                Item::Mod(child) if !is_test(&child.attrs) => {
                    reader.names.children.insert(child.ident.to_string());
                    children.push((child, folder.join(child.ident.to_string())));
                }
                Item::Macro(item) => {
                    let is_exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
                    if let (Some(name), true) = (&item.ident, is_exported) {
                        self.macros.insert(name.to_string(), module.to_owned());
                    }
                }
                item => reader.visit_item(item),
            }
        }
        self.modules.insert(module.to_owned(), reader.names);
        for (child, inside) in children {
            let name = format!("{module}::{}", child.ident);
            match &child.content {
                Some((_, items)) => self.read_items(items, &name, &inside)?,
                None => {
                    let (beside, within) = (inside.with_extension("rs"), inside.join("mod.rs"));
                    let file = if beside.exists() { beside } else { within };
                    self.read_file(&file, &name, &inside)?;
                }
            }
        }
        Ok(())
    }

    /// Each import of one module by another.
    fn edges(&self) -> BTreeSet<(Module, Module)> {
        let mut edges = BTreeSet::new();
        for (module, names) in &self.modules {
            let taken = names.imports.values().chain(&names.globs).chain(&names.paths);
            let taken = taken.filter_map(|path| self.definer(module, path, MAX_STEPS));
            let words = names.words.iter().filter_map(|word| self.by_glob(module, names, word, &[], MAX_STEPS));
            for target in taken.chain(words) {
                if target != *module {
                    edges.insert((module.clone(), target));
                }
            }
        }
        edges
    }

    /// The module that defines what `path` names in `module`; `None` if that is no module of this crate.
    fn definer(&self, module: &str, path: &[String], steps: u32) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => self.name.clone(),
            "self" => module.to_owned(),
            "super" => parent(module)?,
            name => return self.within(module, name, rest, steps),
        };
        let mut rest = rest;
        while rest.first().is_some_and(|segment| segment == "super") {
            at = parent(&at)?;
            rest = &rest[1..];
        }
        match rest.split_first() {
            None => Some(at),
            Some((name, after)) => self.within(&at, name, after, steps).or(Some(at)),
        }
    }

    /// The module that defines what `name` and `rest` name from within `module`: a child, or what it takes from elsewhere.
    fn within(&self, module: &str, name: &str, rest: &[String], steps: u32) -> Option<Module> {
        let names = self.modules.get(module)?;
        if names.children.contains(name) {
            let child = format!("{module}::{name}");
            return match rest.split_first() {
                None => Some(child),
                Some((next, after)) => self.within(&child, next, after, steps).or(Some(child)),
            };
        }
        let steps = steps.checked_sub(1)?;
        if let Some(import) = names.imports.get(name) {
            let path: Vec<String> = import.iter().chain(rest).cloned().collect();
            return self.definer(module, &path, steps);
        }
        if module == self.name
            && let Some(definer) = self.macros.get(name)
        {
            return Some(definer.clone());
        }
        self.by_glob(module, names, name, rest, steps)
    }

    /// The module that defines a name which comes with all names of another one.
    fn by_glob(&self, module: &str, names: &Names, name: &str, rest: &[String], steps: u32) -> Option<Module> {
        names.globs.iter().find_map(|glob| {
            let source = self.definer(module, glob, steps.checked_sub(1)?).filter(|source| source != module)?;
            self.within(&source, name, rest, steps - 1)
        })
    }
}

fn parent(module: &str) -> Option<Module> {
    module.rsplit_once("::").map(|(parent, _)| parent.to_owned())
}

/// True for `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

#[derive(Default)]
struct Reader {
    names: Names,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            self.take(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match segments.len() {
            1 => self.names.words.extend(segments.pop()),
            _ => self.names.paths.push(segments),
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

impl Reader {
    fn take(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.take(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.take(tree, before)),
            UseTree::Glob(_) => self.names.globs.push(before.clone()),
            UseTree::Name(name) => self.import(&name.ident.to_string(), &name.ident.to_string(), before),
            UseTree::Rename(rename) => self.import(&rename.ident.to_string(), &rename.rename.to_string(), before),
        }
    }

    fn import(&mut self, name: &str, known_as: &str, before: &[String]) {
        let mut path = before.to_vec();
        let mut known_as = known_as.to_owned();
        if name == "self" {
            if known_as == "self" {
                known_as = before.last().cloned().unwrap_or_default();
            }
        } else {
            path.push(name.to_owned());
        }
        // `use a::{self, b}` takes `a` once more, and `use _` takes a trait whose name does not matter
        self.names.paths.push(path.clone());
        self.names.imports.insert(known_as, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate of these files.
    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<Module>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        circles(folder.path()).unwrap()
    }

    #[test]
    fn a_circle_is_found_however_the_names_are_taken() {
        let root = ("lib.rs", "mod a; mod b; mod c;");
        for (a, b, c) in [
            ("use crate::b::B; pub struct A;", "use crate::c::C; pub struct B;", "use crate::a::A; pub struct C;"),
            ("pub struct A(super::b::B);", "pub struct B; fn f() { super::c::c() }", "pub fn c() -> crate::a::A { }"),
            ("use super::{b as other, c::*}; fn f() { other::g() }", "use super::c; pub fn g() {}", "use super::a; "),
        ] {
            let found = circles_of(&[root, ("a.rs", a), ("b.rs", b), ("c.rs", c)]);
            assert!(found.len() == 1 && found[0].contains(&"crate::a".to_owned()), "{found:?}");
        }
    }

    #[test]
    fn a_name_is_followed_to_whoever_defines_it() {
        let parent = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");
        // b takes A by way of the parent, which takes B from b: the parent defines neither
        assert_eq!(
            circles_of(&[parent, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A; pub struct B(A);")]),
            [] as [Vec<Module>; 0]
        );
        let circle =
            circles_of(&[parent, ("a.rs", "use crate::B; pub struct A;"), ("b.rs", "use crate::A; pub struct B(A);")]);
        assert_eq!(circle, [["crate::a", "crate::b"]]);
        let defines = ("lib.rs", "mod a; use a::A; pub struct Root(A);");
        assert_eq!(circles_of(&[defines, ("a.rs", "use crate::Root; pub struct A;")]), [["crate", "crate::a"]]);
    }

    #[test]
    fn what_only_tests_import_is_no_circle() {
        let root = ("lib.rs", "mod a; mod b;");
        let b = ("b.rs", "use crate::a::A; pub struct B;");
        assert!(
            circles_of(&[root, ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"), b]).is_empty()
        );
        assert!(circles_of(&[root, ("a.rs", "pub struct A; #[cfg(test)] use crate::b::B;"), b]).is_empty());
    }

    #[test]
    fn a_macro_belongs_to_the_module_that_exports_it() {
        let root = ("lib.rs", "mod a; mod b;");
        let a = ("a.rs", "#[macro_export] macro_rules! make { () => {} } use crate::b::B;");
        assert_eq!(circles_of(&[root, a, ("b.rs", "use crate::make; pub struct B;")]), [["crate::a", "crate::b"]]);
    }
}
