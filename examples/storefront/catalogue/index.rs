//! Words to products: an inverted index that finds every word as a prefix.

use std::collections::BTreeMap;

/// Places of products in the catalogue, ascending.
type Places = Vec<u32>;

/// An inverted index over the words of names and categories.
#[derive(Default)]
pub(crate) struct Index {
    words: BTreeMap<String, Places>,
}

impl Index {
    /// Adds a product. Places are added in ascending order.
    pub(crate) fn add(&mut self, place: u32, text: &str) {
        for word in words(text) {
            let places = self.words.entry(word).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    /// The products in which every word of the query begins some word.
    pub(crate) fn find(&self, query: &str) -> Places {
        let mut found: Option<Places> = None;
        for word in words(query) {
            let mut here = self.beginning_with(&word);
            if let Some(before) = found {
                here.retain(|place| before.binary_search(place).is_ok());
            }
            if here.is_empty() {
                return here;
            }
            found = Some(here);
        }
        found.unwrap_or_default()
    }

    fn beginning_with(&self, prefix: &str) -> Places {
        let from_prefix = self.words.range(prefix.to_owned()..);
        let mut places: Places = from_prefix
            .take_while(|(word, _)| word.starts_with(prefix))
            .flat_map(|(_, places)| places)
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// The words of a text, in lower case; everything that is no letter or digit parts them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        index.add(0, "Blue kettle, blue");
        index.add(1, "Red kettle");
        index.add(2, "Blue-grey teapot");
        index
    }

    #[test]
    fn every_word_must_be_found() {
        assert_eq!(index().find("blue kettle"), [0]);
        assert_eq!(index().find("KETTLE"), [0, 1]);
        assert_eq!(index().find("green kettle"), [] as [u32; 0]);
    }

    #[test]
    fn a_word_is_found_by_its_beginning() {
        assert_eq!(index().find("te"), [2]);
        assert_eq!(index().find("bl"), [0, 2]);
    }

    #[test]
    fn a_query_without_words_finds_nothing() {
        assert_eq!(index().find(" ,-! "), [] as [u32; 0]);
    }
}
