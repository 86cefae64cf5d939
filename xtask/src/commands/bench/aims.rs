//! What the figures are to be.

use super::figures::Figures;
use super::sections::{durable, memory, requests, scale, start, watch};

/// One figure, or the ratio of two.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) section: &'static str,
    pub(super) text: &'static str,
    figure: Place,
    /// What it is divided by.
    beside: Option<Place>,
    limit: Limit,
}

/// Table, row and column.
type Place = (&'static str, &'static str, &'static str);

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    /// What was measured; `None` where it wasn't.
    pub(super) fn measured(&self, figures: &Figures) -> Option<f64> {
        let median = |(table, row, column)| Some(figures.spread(table, row, column)?.median());
        let figure = median(self.figure)?;
        match self.beside {
            Some(beside) => Some(figure / median(beside)?),
            None => Some(figure),
        }
    }

    /// Which of its figures of our own servers, and of those that stand beside them without a program of others, are not
    /// there.
    pub(super) fn missing(&self, figures: &Figures) -> Vec<String> {
        let places = [Some(self.figure), self.beside].into_iter().flatten();
        places
            .filter(|(_, _, column)| ![THEIRS, THEIR_STORE].contains(column))
            .filter(|(table, row, column)| figures.spread(table, row, column).is_none())
            .map(|place| format!("{place:?}"))
            .collect()
    }

    /// Whether that is what it is to be.
    pub(super) fn holds(&self, measured: f64) -> bool {
        match self.limit {
            Limit::AtLeast(limit) => measured >= limit,
            Limit::AtMost(limit) => measured <= limit,
        }
    }

    /// The limit, for people.
    pub(super) fn limit(&self) -> String {
        match self.limit {
            Limit::AtLeast(limit) => format!("≥ {limit}"),
            Limit::AtMost(limit) => format!("≤ {limit}"),
        }
    }
}

const OURS: &str = "optilock";
const DURABLE: &str = "optilock, redb";
const THEIRS: &str = "control plane";
const THEIR_STORE: &str = "etcd";

/// An aim about one figure.
const fn figure(section: &'static str, text: &'static str, figure: Place, limit: Limit) -> Aim {
    Aim {
        section,
        text,
        figure,
        beside: None,
        limit,
    }
}

/// An aim about how often one figure goes into another.
const fn ratio(
    section: &'static str,
    text: &'static str,
    [figure, beside]: [Place; 2],
    limit: Limit,
) -> Aim {
    Aim {
        section,
        text,
        figure,
        beside: Some(beside),
        limit,
    }
}

/// In the order of the page.
pub(super) const AIMS: &[Aim] = &[
    figure(
        "start",
        "first answer after the start, ms",
        (start::FIRST, start::ANSWER, OURS),
        Limit::AtMost(10.0),
    ),
    figure(
        "start",
        "client in process, from the making of the server to its first answer, ms",
        (start::FIRST, start::IN_PROCESS, OURS),
        Limit::AtMost(2.0),
    ),
    figure(
        "start",
        "idle memory, MB",
        (start::FIRST, start::IDLE, OURS),
        Limit::AtMost(15.0),
    ),
    figure(
        "memory",
        "memory for a stored Deployment beyond its JSON, kB",
        (memory::RESIDENT, memory::BEYOND, OURS),
        Limit::AtMost(4.0),
    ),
    ratio(
        "requests",
        "GET on 64 connections of HTTP/1.1, times the control plane's",
        [
            (requests::RATES, requests::GET, OURS),
            (requests::RATES, requests::GET, THEIRS),
        ],
        Limit::AtLeast(20.0),
    ),
    ratio(
        "requests",
        "the same, as a part of a bare hyper server's",
        [
            (requests::RATES, requests::GET, OURS),
            (requests::RATES, requests::GET, "bare hyper"),
        ],
        Limit::AtLeast(0.6),
    ),
    ratio(
        "requests",
        "64 GETs at a time on one connection of HTTP/2, as client-go has it, times the control plane's",
        [
            (requests::RATES, requests::GET_SHARED, OURS),
            (requests::RATES, requests::GET_SHARED, THEIRS),
        ],
        Limit::AtLeast(20.0),
    ),
    // The client has to share the processors with the server, and takes as much for a request of either.
    ratio(
        "requests",
        "processor time of the control plane for a GET on 64 connections, times ours",
        [
            (requests::PROCESSOR, requests::GET, THEIRS),
            (requests::PROCESSOR, requests::GET, OURS),
        ],
        Limit::AtLeast(20.0),
    ),
    ratio(
        "durable",
        "updates of 32 writers in memory, times the control plane's",
        [
            (durable::UPDATES, "32 writers", OURS),
            (durable::UPDATES, "32 writers", THEIRS),
        ],
        Limit::AtLeast(10.0),
    ),
    ratio(
        "durable",
        "durable updates of 32 writers, as a part of those in memory",
        [
            (durable::UPDATES, "32 writers", DURABLE),
            (durable::UPDATES, "32 writers", OURS),
        ],
        Limit::AtLeast(0.7),
    ),
    ratio(
        "durable",
        "durable compare-and-swaps of 1 writer at the store, times etcd's",
        [
            (durable::SWAPS, "1 writer", "redb"),
            (durable::SWAPS, "1 writer", THEIR_STORE),
        ],
        Limit::AtLeast(1.0),
    ),
    ratio(
        "durable",
        "the same with 32 writers",
        [
            (durable::SWAPS, "32 writers", "redb"),
            (durable::SWAPS, "32 writers", THEIR_STORE),
        ],
        Limit::AtLeast(1.0),
    ),
    figure(
        "watch",
        "delay of 99 of 100 events to 1,000 watchers at 100 writes/s, ms",
        (watch::DELAY, watch::THOUSAND, OURS),
        Limit::AtMost(50.0),
    ),
    figure(
        "scale",
        "start with 1,000,000 objects from redb, s",
        (scale::GROWTH, scale::START, scale::LARGE),
        Limit::AtMost(10.0),
    ),
    ratio(
        "scale",
        "GET at 1,000,000 objects, times the duration at 1,000",
        [
            (scale::GROWTH, scale::READ, scale::LARGE),
            (scale::GROWTH, scale::READ, scale::SMALL),
        ],
        Limit::AtMost(2.0),
    ),
    figure(
        "scale",
        "a page of 500 at 1,000,000 objects, ms",
        (scale::GROWTH, scale::PAGE, scale::LARGE),
        Limit::AtMost(10.0),
    ),
    ratio(
        "scale",
        "update rate at 1,000,000 objects, as a part of that at 1,000",
        [
            (scale::GROWTH, scale::UPDATES, scale::LARGE),
            (scale::GROWTH, scale::UPDATES, scale::SMALL),
        ],
        Limit::AtLeast(0.5),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_held_against_the_median() {
        let aim = ratio(
            "s",
            "",
            [("t", "r", "a"), ("t", "r", "b")],
            Limit::AtLeast(2.0),
        );
        let mut figures = Figures::default();
        assert_eq!(aim.measured(&figures), None);
        assert_eq!(aim.missing(&figures).len(), 2);
        for value in [1.0, 6.0, 5.0] {
            figures.add("t", "r", "a", value);
        }
        figures.add("t", "r", "b", 2.0);
        assert_eq!(aim.measured(&figures), Some(2.5));
        assert!(aim.holds(2.5) && !aim.holds(1.9));
        assert_eq!(aim.limit(), "≥ 2");
        assert_eq!(aim.missing(&figures), [""; 0]);
    }
}
