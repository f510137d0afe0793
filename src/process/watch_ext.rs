//! What is watched changes only where it differs, so that nobody is woken to find what was there before.

use tokio::sync::watch;

/// Takes over the latest value, and wakes those who watch only where it is not what it was.
pub(crate) fn tell<T: PartialEq>(watched: &watch::Sender<T>, latest: T) {
    watched.send_if_modified(|old| {
        let differs = *old != latest;
        *old = latest;
        differs
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_wakes_whoever_watches() {
        let (sender, mut watcher) = watch::channel(1);
        tell(&sender, 1);
        assert!(!watcher.has_changed().expect("the sender is there"));
        tell(&sender, 2);
        assert!(watcher.has_changed().expect("the sender is there"));
        assert_eq!(*watcher.borrow_and_update(), 2);
    }
}
