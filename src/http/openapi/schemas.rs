//! The named schemas of the API document.

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// The place of named schemas in the document.
const PLACE: &str = "/components/schemas";

/// Schemas by name, each described once and referred to.
pub struct Schemas {
    generator: SchemaGenerator,
    named: Map<String, Value>,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = PLACE.into();
            settings.meta_schema = None;
        });
        let generator = settings.for_serialize().into_generator();
        Self { generator, named: Map::new() }
    }
}

impl Schemas {
    /// The schema of what is answered as a `T`, or a reference to it.
    pub fn of<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    /// Gives a schema a name, and returns a reference to it.
    pub fn name(&mut self, name: &str, schema: Value) -> Value {
        self.named.insert(name.to_owned(), schema);
        json!({"$ref": format!("#{PLACE}/{name}")})
    }

    /// All named schemas, as the document has them.
    pub fn into_map(mut self) -> Map<String, Value> {
        let mut all = self.generator.take_definitions(true);
        all.append(&mut self.named);
        all.sort_keys();
        all
    }
}

/// What a type says of its members.
pub fn property_descriptions<T: JsonSchema>(schemas: &mut Schemas) -> Map<String, Value> {
    let schema = T::json_schema(&mut schemas.generator);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.map(|(name, property)| (name.clone(), property["description"].clone())).collect()
}
