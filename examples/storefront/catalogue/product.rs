//! A product, and how the product file is read.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One row of the product file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) price_cents: u64,
    /// Units on the shelf when the shop first opened; the ledger counts them from then on.
    #[serde(skip_serializing)]
    pub(crate) stock: u32,
}

/// Why a product file was not taken.
#[derive(Debug)]
pub(crate) struct BadFile {
    line: u64,
    why: String,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "product file, line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadFile {}

/// Reads a product file: a header, then one product a row. At most [`MOST`] rows; no SKU twice.
pub(crate) fn read(file: impl Read) -> Result<Vec<Arc<Product>>, BadFile> {
    let mut seen = std::collections::HashSet::new();
    let mut products = Vec::new();
    for (row, line) in csv::Reader::from_reader(file).deserialize::<Product>().zip(2..) {
        let bad = |why: String| BadFile { line, why };
        let product = row.map_err(|why| bad(why.to_string()))?;
        if product.sku.is_empty() || product.name.is_empty() {
            return Err(bad("a product needs a sku and a name".to_owned()));
        }
        if !seen.insert(product.sku.clone()) {
            return Err(bad(format!("sku {} comes twice", product.sku)));
        }
        if products.len() == MOST {
            return Err(bad(format!("more than {MOST} products")));
        }
        products.push(Arc::new(product));
    }
    if products.is_empty() {
        return Err(BadFile {
            line: 1,
            why: "no products below the header sku,name,category,price_cents,stock".to_owned(),
        });
    }
    Ok(products)
}

/// Rows a product file may have: the catalogue lives in memory.
const MOST: usize = 100_000;

/// The file that is shipped with the example.
pub(crate) const SHIPPED: &str = include_str!("../data/products.csv");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_read_whole() {
        let products = read(SHIPPED.as_bytes()).expect("the shipped file is good");
        assert_eq!(products.len(), 3600);
        assert_eq!(products[0].name, "Quillfen silent radio, white");
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        let header = "sku,name,category,price_cents,stock\n";
        let error = |rows: &str| read(format!("{header}{rows}").as_bytes()).expect_err("bad").to_string();
        assert!(error("A,one,x,1,1\nB,two,x,cheap,1\n").starts_with("product file, line 3: "));
        assert_eq!(error("A,one,x,1,1\nA,two,x,1,1\n"), "product file, line 3: sku A comes twice");
        assert!(error("").starts_with("product file, line 1: no products"));
        assert_eq!(error(",one,x,1,1\n"), "product file, line 2: a product needs a sku and a name");
    }
}
