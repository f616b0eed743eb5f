/** Where users find help: plain text, an e-mail address, a URL, or a text with its link. */
export type Support = string | { text: string; href: string }

/** Help as the pages and mails show it. */
export interface SupportLink {
  text: string
  href: string | null
}

/** Refuses what would run as a script when followed. */
export function link(url: string): string {
  return /^(https?:|mailto:|tel:|otpauth:|[/?#])/i.test(url) ? url : '#'
}

export function supportLink(support: Support | undefined): SupportLink | null {
  if (!support) return null
  if (typeof support === 'object') return { text: support.text, href: link(support.href) }
  if (/^(https?:\/)?\/(?!\/)/.test(support) || /^https?:\/\//.test(support))
    return { text: support, href: support }
  if (/^[^\s@]+@[^\s@]+$/.test(support)) return { text: support, href: `mailto:${support}` }
  return { text: support, href: null }
}
