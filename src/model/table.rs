//! Numbered pages, for people: they sort and search a list, and want to know how long it is, which
//! a cursor does not tell.

/// How many rows a page has.
pub const ROWS_PER_PAGE: usize = 50;

/// The position of a page in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagePosition {
    /// How many rows the list has, on all pages.
    pub total: usize,
    /// Which page this is, from 1.
    pub page: usize,
    /// How many pages there are, at least 1.
    pub pages: usize,
}

impl PagePosition {
    /// The page that is asked for, or the last one where there are fewer.
    pub fn of(page: usize, total: usize) -> Self {
        let pages = total.div_ceil(ROWS_PER_PAGE).max(1);
        Self { total, page: page.clamp(1, pages), pages }
    }

    /// How many rows come before this page.
    pub fn before(&self) -> usize {
        (self.page - 1) * ROWS_PER_PAGE
    }
}

/// One page of a list with page numbers.
#[derive(Debug, Clone)]
pub struct NumberedPage<T> {
    /// The page's rows, in order.
    pub rows: Vec<T>,
    /// The page's position in the list.
    pub place: PagePosition,
}

impl<T> NumberedPage<T> {
    /// One page of a list that is all there.
    pub fn of(list: Vec<T>, page: usize) -> Self {
        let place = PagePosition::of(page, list.len());
        let rows = list.into_iter().skip(place.before()).take(ROWS_PER_PAGE).collect();
        Self { rows, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_beyond_the_last_is_the_last() {
        let place = |page, total| {
            let place = PagePosition::of(page, total);
            (place.page, place.pages, place.before())
        };
        assert_eq!(place(1, 0), (1, 1, 0));
        assert_eq!(place(2, 50), (1, 1, 0));
        assert_eq!(place(2, 51), (2, 2, 50));
        assert_eq!(place(1_000_000, 10_000), (200, 200, 9_950));
    }
}
