//! An SVG document, and the shapes on it.

use std::fmt::Write as _;

const INK: &str = "#222";

/// Which point of a text is at its coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A picture that is being drawn. Coordinates are in pixels from the upper left corner; later shapes cover earlier ones.
#[derive(Debug, Default)]
pub struct Picture {
    body: String,
}

// Writing to a string cannot fail, so results of `writeln!` are ignored.
impl Picture {
    /// Draws a rectangle, given its upper left corner and its width and height.
    pub fn rectangle(&mut self, corner: (f64, f64), size: (f64, f64), colour: &str) {
        self.shape(corner, size, colour, "");
    }

    /// Draws a rectangle without antialiasing, so that no gap shows between adjacent ones.
    pub fn column(&mut self, corner: (f64, f64), size: (f64, f64), colour: &str) {
        self.shape(corner, size, colour, " shape-rendering=\"crispEdges\"");
    }

    fn shape(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str, more: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{colour}\"{more}/>"
        );
    }

    /// Draws a solid line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.stroke(from, to, colour, "none");
    }

    /// Draws a dashed line.
    pub(crate) fn dashed_line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.stroke(from, to, colour, "4 3");
    }

    fn stroke(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, dashes: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"{colour}\" \
             stroke-dasharray=\"{dashes}\"/>"
        );
    }

    /// Draws text, which may be untrusted.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, words: &str) {
        self.words(at, anchor, "normal", words);
    }

    /// Draws bold text.
    pub fn bold(&mut self, at: (f64, f64), anchor: Anchor, words: &str) {
        self.words(at, anchor, "bold", words);
    }

    fn words(&mut self, (x, y): (f64, f64), anchor: Anchor, weight: &str, words: &str) {
        let (anchor, words) = (anchor.name(), escaped(words));
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"{INK}\">{words}</text>"
        );
    }

    /// Draws a legend entry: a square of the colour, and what it means.
    pub fn legend(&mut self, (x, y): (f64, f64), colour: &str, words: &str) {
        self.rectangle((x, y), (12.0, 12.0), colour);
        self.text((x + 18.0, y + 10.0), Anchor::Start, words);
    }

    /// The document, with its width and height and a description for screen readers.
    pub fn finish(self, (width, height): (f64, f64), label: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{width}\" \
             height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
            escaped(label),
            self.body
        )
    }
}

/// Escapes text for XML, as element content and as a double-quoted attribute value.
fn escaped(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture() {
        let mut picture = Picture::default();
        picture.rectangle((1.0, 2.0), (3.0, 4.004), "#eee");
        picture.column((1.0, 2.0), (3.0, 4.0), "#eee");
        picture.line((0.0, 0.0), (1.5, 2.0), "#ddd");
        picture.dashed_line((0.0, 0.0), (1.5, 2.0), "#ddd");
        picture.text((5.0, 6.0), Anchor::Middle, "1 < 2");
        picture.bold((5.0, 6.0), Anchor::End, "x");
        picture.legend((0.0, 10.0), "#111", "ones");
        assert_eq!(
            picture.finish((100.0, 50.5), "of \"a\""),
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 50.5\" role=\"img\" aria-label=\"of \
             &quot;a&quot;\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100\" height=\"50.5\" fill=\"#fff\"/>\n\
             <rect x=\"1.00\" y=\"2.00\" width=\"3.00\" height=\"4.00\" fill=\"#eee\"/>\n\
             <rect x=\"1.00\" y=\"2.00\" width=\"3.00\" height=\"4.00\" fill=\"#eee\" shape-rendering=\"crispEdges\"/>\n\
             <line x1=\"0.00\" y1=\"0.00\" x2=\"1.50\" y2=\"2.00\" stroke=\"#ddd\" stroke-dasharray=\"none\"/>\n\
             <line x1=\"0.00\" y1=\"0.00\" x2=\"1.50\" y2=\"2.00\" stroke=\"#ddd\" stroke-dasharray=\"4 3\"/>\n\
             <text x=\"5.00\" y=\"6.00\" text-anchor=\"middle\" font-weight=\"normal\" fill=\"#222\">1 &lt; 2</text>\n\
             <text x=\"5.00\" y=\"6.00\" text-anchor=\"end\" font-weight=\"bold\" fill=\"#222\">x</text>\n\
             <rect x=\"0.00\" y=\"10.00\" width=\"12.00\" height=\"12.00\" fill=\"#111\"/>\n\
             <text x=\"18.00\" y=\"20.00\" text-anchor=\"start\" font-weight=\"normal\" fill=\"#222\">ones</text>\n\
             </svg>\n"
        );
    }

    #[test]
    fn untrusted_text_is_escaped() {
        assert_eq!(escaped("</text>\u{1b}[2J & \"more\""), "&lt;/text>[2J &amp; &quot;more&quot;");
    }
}
