//! What fuzz targets reach of the settings' file.

use std::path::Path;

use super::file::File;
use super::resources;
use super::setting::BadSetting;
use super::source::Source;
use crate::model::catalog::Resource;

/// The resources of a file with this text.
///
/// # Errors
/// What is wrong with it, and where.
pub fn resources_of(text: &str) -> Result<Vec<Resource>, BadSetting> {
    let file = File::parse(Source::new(Path::new("bitting.toml"), text.to_owned()))?;
    resources::read(&file.resources, Vec::new(), &file.source)
}
