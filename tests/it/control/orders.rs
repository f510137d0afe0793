//! What operators drained by hand, on its way to every controller.

use hiveway::core::model::TaskId;
use hiveway::order_book::OrderBook;

use super::controllers::Controller;
use super::node::Node;
use super::snapshot;
use crate::bounded::bounded;

/// Waits until the task is drained according to this book, or is not.
async fn comes(book: &OrderBook, task: &TaskId, drained: bool) {
    let mut orders = book.subscribe();
    let waited = bounded(orders.wait_for(|orders| orders.drains(task) == drained)).await;
    waited.expect("the book is kept");
}

#[tokio::test]
async fn an_order_given_anywhere_reaches_every_controller_and_every_node() {
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
