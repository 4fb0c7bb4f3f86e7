//! What requests are counted under besides the resources of a catalog: resources that have left the
//! configuration, and those of connections. Names are added while a server runs, and the last one that a
//! number was given to stands.

use super::scope::{Access, OTHER, ResourceName, Scope};

/// The number under which a resource is counted in the database, for ever: names come and go in
/// the configuration, and a count must go on meaning what it meant. 0 is "no resource".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceNumber(pub u16);

/// Names and numbers. Readers take no lock.
#[derive(Debug, Default)]
pub struct CountedNames(boxcar::Vec<(ResourceNumber, ResourceName)>);

impl CountedNames {
    /// Learns what is counted under a number: another thing than before only where the database was set
    /// back, and gives its numbers out again.
    pub fn learn(&self, number: ResourceNumber, name: ResourceName) {
        if self.name_of(number) != Some(&name) {
            self.0.push((number, name));
        }
    }

    /// What is counted under a number.
    pub fn name_of(&self, number: ResourceNumber) -> Option<&ResourceName> {
        self.all().filter(|(known, _)| *known == number).last().map(|(_, name)| name)
    }

    /// The number that requests of this name are counted under.
    pub fn number_of(&self, name: &ResourceName) -> Option<ResourceNumber> {
        let numbers = self.all().filter(|(_, known)| known == name).map(|(number, _)| *number);
        numbers.filter(|number| self.name_of(*number) == Some(name)).last()
    }

    /// The scope at a connection whose requests are counted under a number, if they are one's.
    pub fn scope_at_connection(&self, number: ResourceNumber, access: Access) -> Option<Scope> {
        let (resource, connection) = self.name_of(number)?.as_str().split_once('@')?;
        let connection = Some(connection.parse().ok()?);
        let resource = Some(resource).filter(|resource| *resource != OTHER)?;
        Some(Scope { resource: resource.parse().ok()?, access, connection })
    }

    /// The handle of the connection whose requests are counted under a number, whether it is still
    /// there or not.
    pub fn connection_of(&self, number: ResourceNumber) -> Option<&str> {
        self.name_of(number)?.as_str().split_once('@').map(|(_, connection)| connection)
    }

    /// The names, in the order in which they were learnt.
    pub fn names(&self) -> impl Iterator<Item = &ResourceName> {
        self.all().map(|(_, name)| name)
    }

    fn all(&self) -> impl Iterator<Item = &(ResourceNumber, ResourceName)> {
        self.0.iter().map(|(_, counted)| counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_given_out_again_is_the_last_ones() {
        let names = CountedNames::default();
        let name = |text: &str| text.parse::<ResourceName>().unwrap();
        let learn = |number, text| names.learn(ResourceNumber(number), name(text));
        learn(127, "alpha");
        learn(127, "alpha");
        assert_eq!(names.names().count(), 1);
        // The database was set back, and both were made anew in another order.
        learn(127, "beta");
        learn(128, "alpha");
        assert_eq!(names.name_of(ResourceNumber(127)), Some(&name("beta")));
        assert_eq!(names.number_of(&name("beta")), Some(ResourceNumber(127)));
        assert_eq!(names.number_of(&name("alpha")), Some(ResourceNumber(128)));
        assert_eq!(names.number_of(&name("gamma")), None);
    }
}
