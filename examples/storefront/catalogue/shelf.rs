//! Every product in memory: by place, by SKU, by word.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::cache::Cache;
use super::index::{self, Index};
use super::product::Product;
use crate::insight::CacheTally;

/// Some products of a longer list.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) page: u32,
    pub(crate) pages: u32,
    /// Products in the whole list.
    pub(crate) total: usize,
    pub(crate) products: Vec<Arc<Product>>,
}

/// Which part of a list is wanted. Pages count from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) page: u32,
    pub(crate) per_page: u32,
}

impl Window {
    fn pages(self, total: usize) -> u32 {
        (total as u32).div_ceil(self.per_page)
    }

    fn of<T>(self, list: &[T]) -> &[T] {
        let from = (self.page - 1) as usize * self.per_page as usize;
        let rest = list.get(from..).unwrap_or_default();
        &rest[..rest.len().min(self.per_page as usize)]
    }
}

/// The products, and what it takes to find them.
pub(crate) struct Shelf {
    products: Vec<Arc<Product>>,
    by_sku: HashMap<String, Arc<Product>>,
    index: Index,
    searches: Cache<Vec<u32>>,
}

impl Shelf {
    pub(crate) fn new(products: Vec<Arc<Product>>, searches_kept: usize, tally: Arc<CacheTally>) -> Self {
        let mut index = Index::default();
        for (product, place) in products.iter().zip(0..) {
            index.add(place, &product.name);
            index.add(place, &product.category);
        }
        let by_sku = products.iter().map(|product| (product.sku.clone(), product.clone())).collect();
        Self { products, by_sku, index, searches: Cache::new(searches_kept, tally) }
    }

    pub(crate) fn browse(&self, window: Window) -> Page {
        let total = self.products.len();
        Page { page: window.page, pages: window.pages(total), total, products: window.of(&self.products).to_vec() }
    }

    pub(crate) fn product(&self, sku: &str) -> Option<Arc<Product>> {
        self.by_sku.get(sku).cloned()
    }

    pub(crate) fn search(&mut self, query: &str, window: Window) -> Page {
        let key = index::words(query).collect::<Vec<_>>().join(" ");
        let places = self.searches.get_or(&key, || self.index.find(&key));
        let total = places.len();
        let products = window.of(&places).iter().map(|&place| self.products[place as usize].clone()).collect();
        Page { page: window.page, pages: window.pages(total), total, products }
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::{SHIPPED, read};
    use super::*;

    fn shelf() -> Shelf {
        Shelf::new(read(SHIPPED.as_bytes()).expect("the shipped file is good"), 8, Arc::default())
    }

    #[test]
    fn the_pages_together_are_the_catalogue() {
        let shelf = shelf();
        let mut seen = 0;
        for page in 1..=shelf.browse(Window { page: 1, per_page: 97 }).pages {
            seen += shelf.browse(Window { page, per_page: 97 }).products.len();
        }
        assert_eq!(seen, 3600);
    }

    #[test]
    fn a_page_past_the_end_is_empty() {
        assert!(shelf().browse(Window { page: 1_000, per_page: 100 }).products.is_empty());
    }

    #[test]
    fn a_search_finds_names_and_categories() {
        let mut shelf = shelf();
        let found = shelf.search("Quillfen silent radio", Window { page: 1, per_page: 5 });
        assert!(found.products.iter().any(|product| product.sku == "AUD-00001"));
        assert!(shelf.search("garden", Window { page: 1, per_page: 5 }).total > 100);
        assert_eq!(shelf.search("no such thing", Window { page: 1, per_page: 5 }).total, 0);
    }
}
