// Package dotenv reads files of variables: a line NAME=VALUE for each, as foreman, docker compose
// and the dotenv libraries read it, with bounds on their size. It opens no file and knows no environment
// but what the caller looks up for it.
package dotenv
