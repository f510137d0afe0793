//! A change to the aliases of a service.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Names that come and names that go. What it is applied to may be newer than what it was decided on, so it says what
/// should be so, and does nothing where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasChange {
    /// The networks that it is about, as the spec names them.
    pub targets: BTreeSet<Arc<str>>,
    /// The names that should be there.
    pub add: BTreeSet<Arc<str>>,
    /// The names that should not.
    pub remove: BTreeSet<Arc<str>>,
}

impl AliasChange {
    /// The aliases of one network after the change: the others stay in their order, and new ones follow in that of the
    /// alphabet.
    #[must_use]
    pub fn apply(&self, aliases: &[Arc<str>]) -> Vec<Arc<str>> {
        let stay = aliases.iter().filter(|name| !self.remove.contains(*name));
        let come = self.add.iter().filter(|name| !aliases.contains(name));
        stay.chain(come).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> impl Strategy<Value = Vec<Arc<str>>> {
        let name = prop_oneof!["[a-e]", "[a-e]\\.local"].prop_map(Arc::from);
        proptest::collection::vec(name, 0..6)
    }

    proptest! {
        #[test]
        fn what_was_applied_changes_nothing_the_second_time(
            before in names(), add in names(), remove in names()
        ) {
            let add: BTreeSet<_> = add.into_iter().collect();
            let remove: BTreeSet<_> = remove.into_iter().filter(|name| !add.contains(name)).collect();
            let change = AliasChange { targets: BTreeSet::new(), add, remove };
            let after = change.apply(&before);
            prop_assert_eq!(&change.apply(&after), &after);

            let untouched = |list: &[Arc<str>]| -> Vec<Arc<str>> {
                let named = |name: &&Arc<str>| change.add.contains(*name) || change.remove.contains(*name);
                list.iter().filter(|name| !named(name)).cloned().collect()
            };
            prop_assert_eq!(untouched(&after), untouched(&before));
            prop_assert!(change.add.iter().all(|name| after.contains(name)));
            prop_assert!(!change.remove.iter().any(|name| after.contains(name)));
        }
    }

    #[test]
    fn order_is_kept_and_new_names_follow() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|name| Arc::from(*name))
                .collect::<Vec<_>>()
        };
        let change = AliasChange {
            targets: BTreeSet::new(),
            add: list(&["d.local", "c.local", "b.local"])
                .into_iter()
                .collect(),
            remove: list(&["a.local"]).into_iter().collect(),
        };
        assert_eq!(
            change.apply(&list(&["hiveway", "d.local", "a.local"])),
            list(&["hiveway", "d.local", "b.local", "c.local"])
        );
    }
}
