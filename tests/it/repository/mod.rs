//! The repository itself: the rules its source keeps, and the files it ships.

mod deployment;
mod documents;
mod layers;
mod tools;
