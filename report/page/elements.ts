/** What an element is made of. Text stays text, whatever is in it. */
type Child = Node | string | false | undefined;

/** Makes an element: `element("td", { className: "number" }, "12")`. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...present(children));
  return made;
}

function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child) => child !== false && child !== undefined);
}

const shown = new WeakMap<Element, string>();

/** Puts something into an element when it is to show something else than before, and so leaves alone who reads it. */
export function showIn(box: Element, value: unknown, make: () => readonly Child[]): void {
  const json = JSON.stringify(value);
  if (shown.get(box) === json) return;
  shown.set(box, json);
  box.replaceChildren(...present(make()));
}

/** The element of the page with an id. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  return document.getElementById(id) as Type;
}
