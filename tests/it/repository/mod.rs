//! The repository itself: the rules its source keeps, and the files it ships.

mod commands;
mod deployment;
mod documents;
mod layers;
mod leak_scanners;
mod reference;
mod releasing;
mod tools;
