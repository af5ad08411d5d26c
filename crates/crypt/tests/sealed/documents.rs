//! JSON documents that a stranger changes. Members can occur twice, and strings can hold documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::sample::Index;
use serde_json::Value;

/// A document or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Members in their order.
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
    /// A document in a string, with or without base64.
    Text(Box<Self>, Coding),
    Leaf(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Coding {
    Plain,
    Base64,
}

impl Node {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self::of(serde_json::from_slice(bytes).unwrap())
    }

    fn of(value: Value) -> Self {
        match value {
            Value::Object(members) => {
                Self::Object(members.into_iter().map(|(key, it)| (key, Self::of(it))).collect())
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect()),
            Value::String(text) => Self::of_text(text),
            leaf => Self::Leaf(leaf),
        }
    }

    fn of_text(text: String) -> Self {
        let document = |bytes: &[u8]| serde_json::from_slice(bytes).ok().filter(Value::is_object);
        if let Some(inner) = document(text.as_bytes()) {
            return Self::Text(Box::new(Self::of(inner)), Coding::Plain);
        }
        if let Some(inner) = STANDARD.decode(&text).ok().and_then(|bytes| document(&bytes)) {
            return Self::Text(Box::new(Self::of(inner)), Coding::Base64);
        }
        Self::Leaf(text.into())
    }

    /// Writes the document.
    pub(crate) fn write(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Object(members) => {
                let members =
                    members.iter().map(|(key, it)| format!("{}:{}", quoted(key), it.write()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::write).collect::<Vec<_>>().join(","))
            }
            Self::Text(inner, Coding::Plain) => quoted(&inner.write()),
            Self::Text(inner, Coding::Base64) => quoted(&STANDARD.encode(inner.write())),
            Self::Leaf(value) => value.to_string(),
        }
    }

    /// Lists the places of all members and items, as steps from the top.
    pub(crate) fn places(&self) -> Vec<Vec<usize>> {
        let children: Vec<&Self> = match self {
            Self::Object(members) => members.iter().map(|(_, it)| it).collect(),
            Self::List(items) => items.iter().collect(),
            Self::Text(inner, _) => return inner.places(),
            Self::Leaf(_) => Vec::new(),
        };
        let mut places = Vec::new();
        for (step, child) in children.into_iter().enumerate() {
            places.push(vec![step]);
            places.extend(child.places().into_iter().map(|rest| [vec![step], rest].concat()));
        }
        places
    }

    /// Returns the part at a place, if there is one.
    fn at(&self, place: &[usize]) -> Option<&Self> {
        let (step, rest) = match (self, place) {
            (Self::Text(inner, _), _) if !place.is_empty() => return inner.at(place),
            (_, []) => return Some(self),
            (_, [step, rest @ ..]) => (*step, rest),
        };
        match self {
            Self::Object(members) => members.get(step)?.1.at(rest),
            Self::List(items) => items.get(step)?.at(rest),
            Self::Text(..) | Self::Leaf(_) => None,
        }
    }

    /// Changes the member or item at a place; `other` is a document to take a value from.
    pub(crate) fn change(&mut self, place: &[usize], change: &Change, other: &Self) {
        let (&step, parents) = place.split_last().unwrap();
        let mut parent = self;
        for &step in parents {
            parent = parent.inner();
            parent = match parent {
                Self::Object(members) => &mut members[step].1,
                Self::List(items) => &mut items[step],
                Self::Text(..) | Self::Leaf(_) => unreachable!("a place leads through parents"),
            };
        }
        match parent.inner() {
            Self::Object(members) => change.member(members, step, other.at(place)),
            Self::List(items) => change.item(items, step, other.at(place)),
            Self::Text(..) | Self::Leaf(_) => unreachable!("a place ends in a parent"),
        }
    }

    fn inner(&mut self) -> &mut Self {
        match self {
            Self::Text(inner, _) => inner.inner(),
            other => other,
        }
    }
}

/// A stranger's change of a member or item.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Drop,
    /// The member occurs twice, once with another image's value. The index chooses the order.
    Double(Index),
    RenameCase(Index),
    Retype(Index),
    /// The value becomes another image's.
    Swap,
    /// The member or item changes places with the next one.
    Reorder,
}

impl Change {
    fn member(&self, members: &mut Vec<(String, Node)>, at: usize, other: Option<&Node>) {
        let (key, value) = members[at].clone();
        match self {
            Self::Drop => drop(members.remove(at)),
            Self::Double(index) => {
                let twin = other.unwrap_or(&value).clone();
                members.insert(at + index.index(2), (key, twin));
            }
            Self::RenameCase(index) => members[at].0 = with_other_case(&key, index),
            Self::Retype(index) => members[at].1 = retyped(&value, index),
            Self::Swap => members[at].1 = other.unwrap_or(&Node::Leaf(Value::Null)).clone(),
            Self::Reorder => {
                let next = (at + 1) % members.len();
                let (one, two) = (members[at].1.clone(), members[next].1.clone());
                (members[at].1, members[next].1) = (two, one);
            }
        }
    }

    fn item(&self, items: &mut Vec<Node>, at: usize, other: Option<&Node>) {
        let value = items[at].clone();
        match self {
            Self::Drop => drop(items.remove(at)),
            Self::Double(index) => {
                items.insert(at + index.index(2), other.unwrap_or(&value).clone());
            }
            Self::RenameCase(_) | Self::Reorder => {
                let next = (at + 1) % items.len();
                items.swap(at, next);
            }
            Self::Retype(index) => items[at] = retyped(&value, index),
            Self::Swap => items[at] = other.unwrap_or(&Node::Leaf(Value::Null)).clone(),
        }
    }
}

/// Changes the case of a letter. The letters "s" and "k" have a third form.
fn with_other_case(name: &str, index: &Index) -> String {
    let letters: Vec<usize> =
        name.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).map(|(at, _)| at).collect();
    let Some(&at) = letters.get(index.index(letters.len().max(1))) else { return name.to_owned() };
    let other = match (name.as_bytes()[at], index.index(2)) {
        (b's', 0) => "\u{17f}".to_owned(),
        (b'k', 0) => "\u{212a}".to_owned(),
        (c @ b'a'..=b'z', _) => char::from(c.to_ascii_uppercase()).to_string(),
        (c, _) => char::from(c.to_ascii_lowercase()).to_string(),
    };
    format!("{}{other}{}", &name[..at], &name[at + 1..])
}

fn retyped(value: &Node, index: &Index) -> Node {
    let values = [
        Value::Null,
        Value::from(7),
        Value::from("text"),
        Value::from(true),
        Value::Array(Vec::new()),
        Value::Object(serde_json::Map::new()),
        Value::from(vec![value.write()]),
    ];
    let value = values[index.index(values.len())].clone();
    Node::of(value)
}
