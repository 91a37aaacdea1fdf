//! The expansions of `main` and `test` against a stand-in for the runtime, which says what it was given.

use std::error::Error;

use crashworthy_macros::{main, test};

/// What the expansions call, where they are told to find it.
mod facade {
    pub(crate) mod __private {
        use std::cell::Cell;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        thread_local! {
            /// The workers of the last run on this thread.
            static WORKERS: Cell<Option<usize>> = const { Cell::new(None) };
        }

        pub(crate) fn block_on_main<F: Future>(workers: Option<usize>, future: F) -> F::Output {
            WORKERS.set(workers);
            match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => output,
                Poll::Pending => unreachable!("nothing here waits"),
            }
        }

        pub(crate) fn workers() -> Option<usize> {
            WORKERS.get()
        }
    }
}

/// Doubles a number; the error comes by `?` through a conversion, as it does in a service.
#[main(crate = crate::facade, workers = 3)]
async fn doubled() -> Result<u32, Box<dyn Error>> {
    let number = async { "21".parse::<u32>() }.await?;
    Ok(number * 2)
}

#[main(crate = facade)]
async fn returns_nothing() {}

#[std::prelude::v1::test]
fn main_hands_its_future_and_its_workers_to_the_runtime() {
    assert_eq!(doubled().ok(), Some(42));
    assert_eq!(facade::__private::workers(), Some(3));
    returns_nothing();
    assert_eq!(facade::__private::workers(), None);
}

#[test(crate = crate::facade)]
async fn a_test_may_return_a_result() -> Result<(), Box<dyn Error>> {
    let number = async { "1".parse::<u32>() }.await?;
    assert_eq!(number, 1);
    Ok(())
}

#[test(crate = crate::facade)]
#[should_panic(expected = "as it should")]
async fn a_test_may_have_to_panic() {
    panic!("as it should");
}
