//! Recipes as the documents give them.

use std::fs;

use anyhow::{Context, Result};
use lab::workspace_root;

/// The block of commands on a page that has `line` in it, without remarks.
pub fn block(page: &str, line: &str) -> Result<String> {
    let text = fs::read_to_string(workspace_root().join(page)).with_context(|| format!("{page} cannot be read"))?;
    let found = blocks(&text).into_iter().find(|block| block.contains(line));
    found.with_context(|| format!("{page} has no recipe with `{line}` any more: the drill needs another one"))
}

/// All commands of a section, in their order.
pub fn section(page: &str, heading: &str) -> Result<String> {
    let text = fs::read_to_string(workspace_root().join(page)).with_context(|| format!("{page} cannot be read"))?;
    let section = text.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    Ok(blocks(section.with_context(|| format!("{page} has no section {heading:?}"))?).join("\n"))
}

/// A recipe that names an example of a moment, with another moment.
pub fn with_moment(recipe: &str, moment: &str) -> Result<String> {
    let (head, tail) = recipe.split_once("--until '").context("the recipe names no moment")?;
    let (_, tail) = tail.split_once('\'').context("the recipe names no moment")?;
    Ok(format!("{head}--until '{moment}'{tail}"))
}

/// A recipe in which words that begin so are replaced.
pub fn with_names(recipe: &str, names: &[(&str, &str)]) -> String {
    let named = |word: &str| {
        let found = names.iter().find(|(beginning, _)| word.starts_with(beginning));
        found.map_or_else(|| word.to_owned(), |(_, name)| (*name).to_owned())
    };
    recipe.split(' ').map(named).collect::<Vec<_>>().join(" ")
}

fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let without_remarks = |block: &str| -> String {
        let lines = block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim_end());
        lines.collect::<Vec<_>>().join("\n")
    };
    blocks.map(without_remarks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_taken_without_its_remarks_and_with_the_moment_at_hand() {
        let text = "## One\n```sh\nfirst   # now\nsecond\n```\nand\n```sh\nx --until '2026-01-01 00:00:00' y\n```\n";
        assert_eq!(blocks(text)[0], "first\nsecond");
        assert_eq!(with_moment(&blocks(text)[1], "2027-01-01 10:00:00").unwrap(), "x --until '2027-01-01 10:00:00' y");
        assert!(with_moment("x", "y").is_err());
    }

    #[test]
    fn the_pages_have_the_recipes_of_the_drill() {
        for (page, line) in [
            ("README.md", "docker compose up -d --build --wait"),
            ("docs/operations.md", "deploy/wallet backup wallet.sql"),
            ("docs/operations.md", "deploy/wallet restore wallet.sql --until"),
        ] {
            block(page, line).unwrap();
        }
        assert!(section("README.md", "The tour").unwrap().contains("/auth/register"));
    }
}
