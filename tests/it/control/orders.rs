//! What operators drained by hand, on its way to every controller.

use hiveway::core::event::Event;
use hiveway::core::model::TaskId;
use hiveway::core::reconcile::by_hand::ManualDrains;
use hiveway::observe::event_log;
use hiveway::state::drain_store::{OrderBook, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::controllers::Controller;
use super::node::Node;
use super::snapshot;
use crate::bounded::bounded;
use crate::folder::Folder;

/// Waits until the task is drained according to this book, or is not.
async fn comes(book: &OrderBook, task: &TaskId, drained: bool) {
    let mut orders = book.subscribe();
    let waited = bounded(orders.wait_for(|orders| orders.drains(task) == drained)).await;
    waited.expect("the book is kept");
}

#[tokio::test]
async fn manual_drain_reaches_every_controller_and_node() {
    let published = Some(snapshot(1, 1, &["a.local"]));
    let a = Controller::start(published.clone()).await;
    let b = Controller::start(published).await;
    let task = TaskId::from("t1");
    // Given before anybody hears it, and by a process that is no controller.
    let first = Node::start(&[a.address, b.address]).await;
    let second = Node::start(&[b.address]).await;
    assert!(first.order_book.order(&task, true));
    for book in [&a.order_book, &b.order_book, &second.order_book] {
        comes(book, &task, true).await;
    }
    // What one controller is told reaches the other by those who have links to both.
    assert!(b.order_book.order(&task, false));
    for book in [&first.order_book, &a.order_book, &second.order_book] {
        comes(book, &task, false).await;
    }
}

/// What is kept in a folder, and what was told of it.
async fn restore(folder: &Folder) -> (ManualDrains, Vec<Event>) {
    let (emitter, mut events) = event_log::channel();
    let kept = Store::new(folder.path()).restore(&emitter).await;
    (
        kept,
        std::iter::from_fn(|| events.try_recv().ok()).collect(),
    )
}

#[tokio::test]
async fn drains_are_kept_on_disk_and_a_modified_file_is_rejected() {
    let folder = Folder::new();
    assert_eq!(restore(&folder).await, (ManualDrains::default(), vec![]));
    let book = OrderBook::default();
    let (emitter, _events) = event_log::channel();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let store = Store::new(folder.path());
    running.spawn(store.run(book.subscribe(), emitter, stop.clone()));
    let (a, b) = (TaskId::from("a"), TaskId::from("b"));
    book.order(&a, true);
    book.order(&b, true);
    book.order(&a, false);
    // What came before the end is not left out.
    stop.cancel();
    bounded(running.join_all()).await;
    assert_eq!(restore(&folder).await, ((*book.latest()).clone(), vec![]));
    let files = std::fs::read_dir(folder.path()).expect("a folder");
    assert_eq!(files.count(), 1, "no draft is left");

    let file = folder.path().join("orders.json");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, text.replace("\"b\"", "\"c\"")).expect("a writable file");
    let (kept, told) = restore(&folder).await;
    assert_eq!(kept, ManualDrains::default());
    let [Event::OrdersNotKept { path, reason }] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(path.ends_with("/orders.json"), "{path}");
    assert!(reason.contains("cut off or changed"), "{reason}");
}
