//! The repository itself: the rules its source keeps, and the files it ships.

mod deployment;
mod layers;
mod tools;
