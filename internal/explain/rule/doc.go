// Package rule says what a rule is, and applies rules to facts.
//
// A [Rule] finds one cause: its code, how likely it is, and a check that turns
// facts into findings. A [Group] is a list of rules that answer one question. The
// rules themselves are in the packages below, one file a cause, and the list of
// all is in package explain. Rules are pure: they import no os and no net, ask for
// no time, and know nothing but the facts.
package rule
