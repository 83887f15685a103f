//! Edges as lanes, in the manner of a version history: each open edge runs down in a lane until the step it leads to.

/// One line of the drawing.
pub(super) struct Row {
    /// The lanes.
    pub(super) edges: String,
    /// The node on this line, if there is one.
    pub(super) node: Option<usize>,
}

/// The characters of a drawing.
struct Pen {
    node: char,
    down: char,
    across: char,
    cross: char,
    tee: char,
    /// A lane begins here, from the left; and one more to its right.
    begin: char,
    begin_more: char,
    /// A lane ends here, to the left; and one more to its right.
    end: char,
    end_more: char,
    /// An edge from the left runs into a lane.
    tee_left: char,
    /// A lane ends here, to the right.
    end_right: char,
}

const LINES: Pen = Pen {
    node: '●',
    down: '│',
    across: '─',
    cross: '┼',
    tee: '├',
    begin: '╮',
    begin_more: '┬',
    end: '╯',
    end_more: '┴',
    tee_left: '┤',
    end_right: '╰',
};
const ASCII: Pen = Pen {
    node: '*',
    down: '|',
    across: '-',
    cross: '+',
    tee: '|',
    begin: '.',
    begin_more: '.',
    end: '\'',
    end_more: '\'',
    tee_left: '|',
    end_right: '\'',
};

/// Draws nodes in the given order, in which every node comes after its needs.
pub(super) fn rows(needs: &[&[usize]], order: &[usize], ascii: bool) -> Vec<Row> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for index in order {
        for need in needs[*index] {
            dependents[*need].push(*index);
        }
    }
    let mut drawing =
        Drawing { pen: if ascii { &ASCII } else { &LINES }, lanes: Vec::new(), rows: Vec::new() };
    for index in order {
        drawing.node(*index, &dependents[*index]);
    }
    drawing.rows
}

struct Drawing {
    pen: &'static Pen,
    /// The node that each open lane leads to.
    lanes: Vec<Option<usize>>,
    rows: Vec<Row>,
}

impl Drawing {
    fn node(&mut self, index: usize, dependents: &[usize]) {
        let coming = self.lanes_to(index);
        let at = match coming.as_slice() {
            [] => self.free(0),
            [only] => {
                // After a row of turns the edge is seen already.
                if self.rows.last().is_some_and(|row| row.node.is_some()) {
                    self.row(None, None);
                }
                *only
            }
            [first, rest @ ..] => {
                self.turn(*first, rest, false);
                for lane in rest {
                    self.lanes[*lane] = None;
                }
                *first
            }
        };
        self.lanes[at] = Some(index);
        self.row(Some(index), Some(at));
        self.lanes[at] = None;
        self.leave(at, dependents);
        while self.lanes.last().is_some_and(Option::is_none) {
            self.lanes.pop();
        }
    }

    /// Opens lanes to what comes after a node; an edge whose end has a lane already joins it.
    fn leave(&mut self, at: usize, dependents: &[usize]) {
        let (joined, fresh): (Vec<usize>, Vec<usize>) =
            dependents.iter().partition(|dependent| !self.lanes_to(**dependent).is_empty());
        let mut begun = Vec::new();
        for (count, dependent) in fresh.iter().enumerate() {
            let lane = if count == 0 && joined.is_empty() { at } else { self.free(at + 1) };
            self.lanes[lane] = Some(*dependent);
            if lane != at {
                begun.push(lane);
            }
        }
        begun.sort_unstable();
        if joined.is_empty() {
            if !begun.is_empty() {
                self.turn(at, &begun, true);
            }
            return;
        }
        // The node's own lane goes on until every edge has left it.
        self.lanes[at] = Some(usize::MAX);
        if !begun.is_empty() {
            self.turn(at, &begun, true);
        }
        for (count, dependent) in joined.iter().enumerate() {
            if let Some(lane) = self.lanes_to(*dependent).first().copied() {
                self.join(at, lane, count + 1 < joined.len());
            }
        }
        self.lanes[at] = None;
    }

    fn lanes_to(&self, node: usize) -> Vec<usize> {
        let leads = |(_, target): &(usize, &Option<usize>)| **target == Some(node);
        self.lanes.iter().enumerate().filter(leads).map(|(lane, _)| lane).collect()
    }

    /// A lane that is not in use, not before the given one.
    fn free(&mut self, from: usize) -> usize {
        while self.lanes.len() < from {
            self.lanes.push(None);
        }
        if let Some(found) = self.lanes.iter().skip(from).position(Option::is_none) {
            return from + found;
        }
        self.lanes.push(None);
        self.lanes.len() - 1
    }

    /// A row of lanes that run down, with a node in one of them.
    fn row(&mut self, node: Option<usize>, at: Option<usize>) {
        let mut edges = String::new();
        for (lane, target) in self.lanes.iter().enumerate() {
            let c = if at == Some(lane) {
                self.pen.node
            } else if target.is_some() {
                self.pen.down
            } else {
                ' '
            };
            edges.push(c);
            edges.push(' ');
        }
        self.rows.push(Row { edges: edges.trim_end().to_owned(), node });
    }

    /// A row in which an edge runs from the lane `at` into another one, which goes on; `at` may go on too.
    fn join(&mut self, at: usize, lane: usize, goes_on: bool) {
        let (left, right) = (lane.min(at), lane.max(at));
        self.turn(left, &[right], false);
        let left_char = if at == left && !goes_on { self.pen.end_right } else { self.pen.tee };
        let right_char = if at == right && !goes_on { self.pen.end } else { self.pen.tee_left };
        if let Some(row) = self.rows.last_mut() {
            let put = |(column, c): (usize, char)| match column {
                column if column == left * 2 => left_char,
                column if column == right * 2 => right_char,
                _ => c,
            };
            row.edges = row.edges.chars().enumerate().map(put).collect();
        }
    }

    /// A row in which lanes begin at, or end in, the lane `from`; the others are at its right, ascending.
    fn turn(&mut self, from: usize, others: &[usize], begin: bool) {
        let last = others.last().copied().unwrap_or(from);
        let (end, more) =
            if begin { (self.pen.begin, self.pen.begin_more) } else { (self.pen.end, self.pen.end_more) };
        let mut edges = String::new();
        for (lane, target) in self.lanes.iter().enumerate() {
            let inside = lane > from && lane < last;
            let c = if lane == from {
                self.pen.tee
            } else if lane == last {
                end
            } else if others.contains(&lane) {
                more
            } else if inside && target.is_some() {
                self.pen.cross
            } else if inside {
                self.pen.across
            } else if target.is_some() {
                self.pen.down
            } else {
                ' '
            };
            edges.push(c);
            edges.push(if lane >= from && lane < last { self.pen.across } else { ' ' });
        }
        self.rows.push(Row { edges: edges.trim_end().to_owned(), node: None });
    }
}
