"""A page as a tree of its elements; what is not well-formed is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "wbr", "link", "img", "input"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str | None]
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Node]:
        found = [self] if self.tag in tags else []
        return found + [node for child in self.children for node in child.all(*tags)]

    def ancestors(self) -> list[str]:
        return [] if self.parent is None else [self.parent.tag, *self.parent.ancestors()]

    @property
    def text(self) -> str:
        return "".join([*self.texts, *[child.text for child in self.children]])


class Tree(HTMLParser):
    """Refuses a tag that closes nothing, or leaves something open."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.now = Node("", {})

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"an attribute of {tag} twice"
        node = Node(tag, dict(attrs), self.now)
        self.now.children.append(node)
        if tag not in VOID:
            self.now = node

    def handle_endtag(self, tag):
        assert self.now.tag == tag, f"</{tag}> closes <{self.now.tag}>"
        assert self.now.parent is not None
        self.now = self.now.parent

    def handle_data(self, data):
        self.now.texts.append(data)


def tree_of(page: str) -> Node:
    parser = Tree()
    parser.feed(page)
    parser.close()
    assert parser.now is parser.root, f"<{parser.now.tag}> is never closed"
    return parser.root


def tags_of(tree: Node) -> set[str]:
    return {tree.tag, *[tag for child in tree.children for tag in tags_of(child)]}
