import { utf8 } from '../../../../std/bytes.ts'

/** Text, nested elements, or null for an element without content. */
export type XmlValue = string | number | boolean | null | XmlElements
/** Elements in order; names are constants of this door and never come from a client. */
export type XmlElements = readonly (readonly [name: string, value: XmlValue])[]

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be found.
const UNSAFE = /[&<>"'\u0000-\u001f\u007f\ufffe\uffff]/g
const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }

/**
 * Text that is the same after parsing. Control characters become references as S3 writes them: a carriage return would
 * otherwise be normalised away. Those below 0x20 are not XML 1.0 at all, which is why clients ask for encoding-type=url.
 */
export function escapeXml(text: string): string {
  return text.replace(UNSAFE, (c) => NAMED[c] ?? `&#x${c.charCodeAt(0).toString(16).toUpperCase()};`)
}

function append(elements: XmlElements, out: string[]): void {
  for (const [name, value] of elements) {
    if (value === null) {
      out.push('<', name, '/>')
      continue
    }
    // Attributes (only xsi:type of an ACL has one) follow the name after a space.
    const space = name.indexOf(' ')
    const close = space < 0 ? name : name.slice(0, space)
    out.push('<', name, '>')
    if (typeof value === 'object') append(value, out)
    else out.push(typeof value === 'string' ? escapeXml(value) : String(value))
    out.push('</', close, '>')
  }
}

/** A whole document in UTF-8. Errors carry no namespace, answers do, as S3's. */
export function xmlDocument(root: string, namespaced: boolean, content: XmlElements | string): Uint8Array {
  const out = ['<?xml version="1.0" encoding="UTF-8"?>\n<', root, namespaced ? ` xmlns="${NAMESPACE}">` : '>']
  if (typeof content === 'string') out.push(escapeXml(content))
  else append(content, out)
  out.push('</', root, '>')
  return utf8(out.join(''))
}
