// Package packages builds lodge's packages as `make package` does, installs each in a
// root of its own, uses the lodge that is in it, and removes it again. Nothing of the
// machine that runs the tests is changed.
package packages
