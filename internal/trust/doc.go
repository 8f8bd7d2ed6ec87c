// Package trust is the certificate authority of one user: its key, the
// short-lived leaves for registered names, and the environment that makes
// child processes trust it. It installs nothing (trust/stores does) and proves
// nothing (trust/proof does); it opens no socket and knows no project.
//
// The authority is two certificates. The root is what people install; its key
// is thrown away in the second in which it was made. The signer below it signs
// the leaves, and its key is the only one kept. Both carry critical name
// constraints (RFC 5280, section 4.2.1.10) to localhost and test. One
// certificate would be simpler, but RFC 5280 (section 6.1) does not ask programs to look
// at the constraints of a trust anchor, and Java does not: a thief of the
// key of a constrained root could be any site to every Java program. The
// signer is part of the path, so its constraints hold everywhere.
package trust
