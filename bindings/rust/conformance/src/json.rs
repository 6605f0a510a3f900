//! The JSON of scenarios.
pub enum Json {
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        Reader { rest: text }.value()
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        self.fields().iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    pub fn fields(&self) -> &[(String, Json)] {
        match self {
            Json::Object(fields) => fields,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Json] {
        match self {
            Json::Array(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            _ => panic!("a text was expected"),
        }
    }

    pub fn number(&self) -> f64 {
        match self {
            Json::Number(number) => *number,
            Json::Bool(yes) => f64::from(u8::from(*yes)),
            _ => panic!("a number was expected"),
        }
    }

    pub fn integers(&self) -> Vec<i64> {
        self.items().iter().map(|item| item.number() as i64).collect()
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) -> char {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t', ',', ':']);
        self.rest.chars().next().expect("the scenario ends early")
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest[1..].char_indices();
        loop {
            match chars.next().expect("an open string") {
                (at, '"') => {
                    self.rest = &self.rest[at + 2..];
                    return text;
                }
                (_, '\\') => text.push(chars.next().expect("an open string").1),
                (_, other) => text.push(other),
            }
        }
    }

    fn value(&mut self) -> Json {
        match self.skip() {
            '[' => {
                self.rest = &self.rest[1..];
                let mut items = Vec::new();
                while self.skip() != ']' {
                    items.push(self.value());
                }
                self.rest = &self.rest[1..];
                Json::Array(items)
            }
            '{' => {
                self.rest = &self.rest[1..];
                let mut fields = Vec::new();
                while self.skip() != '}' {
                    let key = self.string();
                    fields.push((key, self.value()));
                }
                self.rest = &self.rest[1..];
                Json::Object(fields)
            }
            '"' => Json::Text(self.string()),
            't' => self.word(4, Json::Bool(true)),
            'f' => self.word(5, Json::Bool(false)),
            _ => {
                let end = self.rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(self.rest.len());
                let number = self.rest[..end].parse().expect("a number");
                self.word(end, Json::Number(number))
            }
        }
    }

    fn word(&mut self, size: usize, value: Json) -> Json {
        self.rest = &self.rest[size..];
        value
    }
}
