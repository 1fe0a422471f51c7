import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { fromUtf8 } from '../../../../std/bytes.ts'
import { XML_DEPTH } from './limits.ts'

/** An element without attributes: its children by name (a repeated one as a list), or its text. */
export type XmlNode = string | { readonly [name: string]: XmlNode | readonly XmlNode[] }

/**
 * Entities are left alone by the parser and decoded here: five named ones and character references, nothing that a
 * document could define. Numbers and dates stay text, and spaces stay where they are, because keys are opaque.
 */
const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  maxNestedTags: XML_DEPTH,
})

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeEntity(entity: string): string | null {
  const name = entity.slice(1, -1)
  if (!name.startsWith('#')) return NAMED[name] ?? null
  const point = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10)
  return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? String.fromCodePoint(point) : null
}

/** Text with its references resolved; null when one is not a reference that XML defines. */
function decodeText(text: string): string | null {
  if (!text.includes('&')) return text
  let bad = false
  const decoded = text.replace(/&(?:[a-z]{2,4}|#\d{1,7}|#x[0-9a-fA-F]{1,6})?;?/g, (entity) => {
    const value = entity.length > 2 && entity.endsWith(';') ? decodeEntity(entity) : null
    if (value === null) bad = true
    return value ?? ''
  })
  return bad ? null : decoded
}

/** Decodes every text below `value`; null when it is not made of elements and text. */
function decodeNode(value: unknown): XmlNode | null {
  if (typeof value === 'string') return decodeText(value)
  if (typeof value !== 'object' || value === null) return null
  const node: Record<string, XmlNode | readonly XmlNode[]> = Object.create(null)
  for (const [name, child] of Object.entries(value)) {
    // Indentation between elements arrives as text of the parent.
    if (name === '#text') {
      if (typeof child !== 'string' || child.trim() !== '') return null
      continue
    }
    const decoded = Array.isArray(child) ? decodeList(child) : decodeNode(child)
    if (decoded === null) return null
    node[name] = decoded
  }
  return node
}

function decodeList(values: readonly unknown[]): readonly XmlNode[] | null {
  const list: XmlNode[] = []
  for (const value of values) {
    const decoded = decodeNode(value)
    if (decoded === null) return null
    list.push(decoded)
  }
  return list
}

/** The children of the document's root, which must be called `root`; null for anything else. The caller bounds the size. */
export function parseXml(bytes: Uint8Array, root: string): { readonly [name: string]: XmlNode | readonly XmlNode[] } | null {
  try {
    const text = fromUtf8(bytes)
    // No document types, so no entities of the client's making; comments and CDATA go with them, as no client sends any.
    if (text.includes('<!') || XMLValidator.validate(text) !== true) return null
    const document = decodeNode(parser.parse(text))
    if (document === null || typeof document === 'string') return null
    const node = document[root]
    if (Object.keys(document).length !== 1 || node === undefined) return null
    if (node === '') return {}
    return typeof node === 'string' || isNodes(node) ? null : node
  } catch {
    // fast-xml-parser throws on what it cannot read or what is nested too deeply, TextDecoder on bad UTF-8.
    return null
  }
}

const isNodes = (value: XmlNode | readonly XmlNode[]): value is readonly XmlNode[] => Array.isArray(value)

/** The child elements called `name`, as a list whatever their number. */
export function elements(parent: { readonly [name: string]: XmlNode | readonly XmlNode[] }, name: string): readonly XmlNode[] {
  const child = parent[name]
  if (child === undefined) return []
  return isNodes(child) ? child : [child]
}

/** The text of the one child called `name`; null when there is none or it is not text. */
export function textOf(parent: XmlNode, name: string): string | null {
  if (typeof parent === 'string') return null
  const child = parent[name]
  return typeof child === 'string' ? child : null
}
