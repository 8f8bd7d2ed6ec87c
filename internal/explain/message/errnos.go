package message

import (
	"regexp"
	"strings"
	"sync"
)

// phrases are what messages say for each error, in lower case: the names of the
// C library and of runtimes, its texts (strerror, also translated, and those of
// Windows), and the words of programs that put it in their own way. The texts
// of errors that say less stand further down: of two that one failure has, the
// upper one counts.
func phrases() []errorPhrases {
	return []errorPhrases{
		{"EADDRINUSE", "eaddrinuse|wsaeaddrinuse|addrinuse|addressinuse|address already in use|address in use|address is already in use|port is already allocated|only one usage of each socket address|already listening on port|connection in use" +
			"|adresse wird bereits verwendet|adresse already in use|adresse déjà utilisée|la dirección ya se está usando|dirección ya está en uso|indirizzo già in uso|endereço já em uso|endereço já está em uso|adres al in gebruik|adres jest już w użyciu|адрес уже используется|adressen används redan|adresse je již používána|adres kullanımda|アドレスは既に使用中です|地址已在使用|地址已被占用|地址已被使用|이미 사용 중인 주소"},
		{"EADDRNOTAVAIL", "eaddrnotavail|wsaeaddrnotavail|addrnotavailable|addressnotavailable|cannot assign requested address|can't assign requested address|address not available|requested address is not valid in its context" +
			"|angeforderte adresse kann nicht zugewiesen werden|impossible d'assigner l'adresse demandée|no se puede asignar la dirección solicitada|не удалось назначить запрошенный адрес|无法指定被请求的地址|要求されたアドレスを割り当てることができません"},
		{"ECONNREFUSED", "econnrefused|wsaeconnrefused|connectionrefused|connection_refused|connection refused|actively refused|err_connection_refused|ns_error_connection_refused" +
			"|verbindungsaufbau abgelehnt|connexion refusée|conexión rehusada|conexión rechazada|connessione rifiutata|conexão recusada|ligação recusada|verbinding is geweigerd|verbinding geweigerd|połączenie odrzucone|odrzucone połączenie|в соединении отказано|förbindelse vägras|spojení odmítnuto|bağlantı reddedildi|接続を拒否されました|接続が拒否されました|拒绝连接|连接被拒绝|연결이 거부됨|연결이 거부됐습니다"},
		{"ECONNRESET", "econnreset|wsaeconnreset|connectionreset|connection_reset|nt_status_connection_disconnected|connection reset|connection was reset|socket hang up|other side closed|empty reply from server|server closed the connection unexpectedly|err_connection_reset|err_empty_response|err_connection_closed|broken pipe|brokenpipe|epipe|econnaborted|connection aborted|remote end closed connection|remotedisconnected|forcibly closed by the remote host|eof occurred in violation of protocol|unexpected eof|server disconnected" +
			"|verbindung wurde vom kommunikationspartner zurückgesetzt|connexion ré-initialisée par le correspondant|conexión reinicializada por la máquina remota|соединение сброшено другой стороной|连接被对方重设|接続が相手からリセットされました"},
		{"EHOSTUNREACH", "ehostunreach|wsaehostunreach|hostunreachable|host_unreachable|no route to host|host is unreachable|err_address_unreachable|unreachable host|keine route zum zielrechner|aucun chemin d'accès pour atteindre l'hôte cible|no existe ninguna ruta hasta el|нет маршрута до узла|没有到主机的路由"},
		{"ENETUNREACH", "enetunreach|wsaenetunreach|networkunreachable|network_unreachable|network is unreachable|network unreachable|unreachable network|das netzwerk ist nicht erreichbar|le réseau n'est pas accessible|la red es inaccesible|сеть недоступна|网络不可达"},
		{"EMFILE", "emfile|wsaemfile|too many open files|enfile|zu viele offene dateien|trop de fichiers ouverts|demasiados archivos abiertos|слишком много открытых файлов"},
		{"EAFNOSUPPORT", "eafnosupport|wsaeafnosupport|address family not supported|address family not available"},
		{"EACCES", "eacces|wsaeacces|permission denied|permissiondenied|eperm|operation not permitted|access permissions|keine berechtigung|permission non accordée|permiso denegado|permesso negato|permissão negada|toegang geweigerd|brak dostępu|отказано в доступе|権限不足|许可がありません|権限がありません|权限不够|허가 거부"},
		{"ENOTFOUND", "enotfound|eai_again|eai_noname|getaddrinfo failed|getaddrinfo error|nxdomain|no such host|could not resolve host|could not resolve hostname|couldn't resolve host|name or service not known|could not translate host name|temporary failure in name resolution|nodename nor servname|err_name_not_resolved|unknownhostexception|unknownhost|unknown host|name does not resolve|bad address '|failed to lookup address|dns error|server misbehaving|host not found|name resolution|unknown mysql server host|der name oder der dienst ist nicht bekannt|nom ou service inconnu|nombre o servicio desconocido|имя или служба не известны|未知的名称或服务"},
		{"ETIMEDOUT", "etimedout|wsaetimedout|connection timed out|i/o timeout|operation timed out|timeout was reached|timed out|sockettimeoutexception|deadline exceeded|deadlineexceeded|err_connection_timed_out|err_timed_out|connect timeout|connection timeout|connecttimeout|connecttimeouterror|connecttimeoutexception|timeout expired|timeout connecting to|client.timeout exceeded|request canceled while waiting for connection|und_err_connect_timeout|timeouterror|timeout of|did not properly respond after a period of time|timedout|nt_status_io_timeout" +
			"|zeitüberschreitung|wartezeit für die verbindung abgelaufen|connexion terminée par expiration du délai|expiró el tiempo de conexión|tempo scaduto|tempo esgotado|время ожидания соединения истекло|连接超时|接続がタイムアウトしました"},
		{"ENOENT", "enoent|no such file or directory|datei oder verzeichnis nicht gefunden|aucun fichier ou dossier de ce type|no existe el archivo o el directorio|нет такого файла или каталога"},
		{"ENOTSOCK", "enotsock|socket operation on non-socket"},
		{"EAGAIN", "eagain|resource temporarily unavailable"}, // the queue of a Unix socket is full
		{"EPROTOTYPE", "eprototype|protocol wrong type for socket"},
		{"EINVAL", "einval|af_unix path too long|path must be less than sun_path"},
	}
}

type errorPhrases struct{ errno, words string }

// numbers are the errors by their number, in Linux, in macOS and the BSDs where
// Linux has no such error of a socket, and in Windows.
func byNumber(n string) string {
	switch n {
	case "98", "48", "10048":
		return "EADDRINUSE"
	case "99", "49", "10049":
		return "EADDRNOTAVAIL"
	case "111", "61", "10061":
		return "ECONNREFUSED"
	case "110", "60", "10060":
		return "ETIMEDOUT"
	case "104", "54", "10054", "10053":
		return "ECONNRESET"
	case "113", "65", "10065":
		return "EHOSTUNREACH"
	case "101", "51", "10051":
		return "ENETUNREACH"
	case "13", "10013":
		return "EACCES"
	case "24", "10024":
		return "EMFILE"
	case "97", "10047":
		return "EAFNOSUPPORT"
	case "11001":
		return "ENOTFOUND"
	case "2":
		return "ENOENT"
	}
	return ""
}

// rank orders the errors that one failure may have: the first says most.
func rank(errno string) int {
	for i, p := range phrases() {
		if p.errno == errno {
			return i
		}
	}
	return 1 << 10
}

// mark is where a message tells an error.
type mark struct {
	start, end int
	errno      string
	// said is false where the error is only paraphrased, and its words may mean
	// something else.
	said bool
	// operation is set where there is no error but the words of a failure.
	operation Operation
}

// pattern is a regular expression that is compiled when it is first used: most
// commands use none.
type pattern struct {
	text     string
	once     sync.Once
	compiled *regexp.Regexp
}

// compiled returns a pattern. The compiler makes those of package variables, so that they
// cost nothing at the start.
func compiled(text string) *pattern { return &pattern{text: text} }

func (p *pattern) get() *regexp.Regexp {
	p.once.Do(func() { p.compiled = regexp.MustCompile(p.text) })
	return p.compiled
}

var (
	rePhrases = sync.OnceValue(func() *regexp.Regexp {
		var all []string
		for _, p := range phrases() {
			for w := range strings.SplitSeq(p.words, "|") {
				all = append(all, regexp.QuoteMeta(w))
			}
		}
		re := regexp.MustCompile("(?i)(?:" + strings.Join(all, "|") + ")")
		re.Longest()
		return re
	})
	reNumber = compiled(`(?i)(?:\b(?:errno|returned error|os error|socket ?error|error code|winerror|errcode|code|exception|err)\b['"]?\s*[:=(]?\s*-?(\d{1,5})\b|\((\d{1,5})(?::[^)]*)?\)|\((\d{1,2})(?: "[^)]*)?\)\s*$)`)
	// A port or an address that another socket has, in the words of programs.
	reTaken = compiled(`(?i)\b(?:(?:is|was|are|seems to be|appears to be|be)\s+(?:already |currently )*(?:in use|used|being used|taken|occupied|allocated|bound|busy)|already (?:in use|used|bound|taken|occupied)|in use by)\b` +
		`|\b(?:already|another \w+(?: \w+){0,3} is|another \w+ already|something is|something else is|instance) (?:already )?(?:running|listening|bound|serving) (?:on|at|to)\b|\bnot free\b|\bport\(s\) already bound\b|\(in use\)|\banother (?:process|program|application|server|instance) (?:is )?(?:already )?(?:using|on) (?:the |this )?port\b`)
	// socat, where the file of a Unix socket is in the way.
	reExists  = compiled(`"[^"\s]+" exists\b`)
	reRefused = compiled(`(?i)\b(?:was|is|been|were|connection)?\s*refused\b|\bcould(?: not|n't) connect to (?:the )?server\b|\brefused to connect\b`)
	// A failure without an error.
	reCannotBind = compiled(`(?i)\b(?:fail(?:ed|ure)? (?:(?:to|in) )?(?:bind|listen)(?:ing)?|forwarding failed for listen port|(?:cannot|can't|could ?n[o']t|unable to|unable) (?:bind|listen)|bind(?:ing)? (?:\w+ ){0,4}failed|port\W{0,3}\d+\W{0,2} (?:is )?(?:not available|unavailable)|address (?:is )?not available` +
		`|(?:find|acquire) (?:an? |any |the )?(?:available |free |empty |required |unused )?['"]?port|port \d+ is not open on .{1,60}could not start|no (?:free|available) port|adding listener failed|set up (?:host |port )*forwarding)\b`)
	reCannotConnect = compiled(`(?i)\b(?:fail(?:ed|ure)? (?:to|in) (?:connect|reach|dial|open|contact|establish|fetch|proxy)|fail(?:ed|ure) connecting|(?:cannot|can't|could ?n[o']t|couldn't|unable to|error) (?:connect|reach|contact|establish|open|dial|communicate|access)(?:ing)?|could not be (?:established|reached)|not possible to (?:connect|reach)|connection (?:\S+ ){0,8}(?:failed|lost|closed|error)|(?:connect|connection|connecting) (?:failed|error|to \S+ failed)|no (?:connection|brokers|servers?) available|not reachable|unreachable|is the server running)\b`)
)

// marks finds the errors of a message, in order.
func marks(text string) []mark {
	var out []mark
	errnoOf := make(map[string]string)
	for _, p := range phrases() {
		for w := range strings.SplitSeq(p.words, "|") {
			errnoOf[w] = p.errno
		}
	}
	for _, m := range rePhrases().FindAllStringIndex(text, -1) {
		if m[0] > 0 && isLetter(text[m[0]-1]) && !camel(text, m[0]) {
			continue // a part of another word
		}
		if m[1] < len(text) && isLower(text[m[1]]) && isLetter(text[m[1]-1]) && !camelEnd(text[m[1]:]) {
			continue
		}
		errno := errnoOf[strings.ToLower(text[m[0]:m[1]])]
		out = append(out, mark{start: m[0], end: m[1], errno: errno, said: true})
	}
	for _, m := range reNumber.get().FindAllStringSubmatchIndex(text, -1) {
		n, named := "", false
		for g := 1; g <= 3; g++ {
			if m[2*g] >= 0 {
				n, named = text[m[2*g]:m[2*g+1]], g == 1
			}
		}
		errno := byNumber(n)
		if errno == "" || len(n) < 3 && !named && n != "13" && n != "2" && n != "98" && n != "99" {
			continue
		}
		if named && len(n) < 2 {
			continue // "code 2" is an exit status
		}
		low := strings.ToLower(text[m[0]:m[1]])
		if strings.HasPrefix(low, "code") && len(n) < 5 && !strings.Contains(lineAround(text, m[0]), "kind") || strings.HasPrefix(low, "exception") && !named {
			continue // an exit status, an HTTP status
		}
		if len(n) < 3 && !named && !strings.Contains(strings.ToLower(lineAround(text, m[0])), "sock") && (n == "2" || n == "13") {
			continue // only of a socket's file does that number stand alone
		}
		out = append(out, mark{start: m[0], end: m[1], errno: errno})
	}
	for _, m := range reTaken.get().FindAllStringIndex(text, -1) {
		if line := strings.ToLower(lineAround(text, m[0])); strings.Contains(line, "port") || strings.Contains(line, "address") || strings.Contains(line, "://") || strings.Contains(line, "localhost") || reFourAnywhere.get().MatchString(line) {
			out = append(out, mark{start: m[0], end: m[1], errno: "EADDRINUSE"})
		}
	}
	for _, m := range reExists.get().FindAllStringIndex(text, -1) {
		if strings.Contains(text[m[0]:m[1]], "sock") {
			out = append(out, mark{start: m[1], end: m[1], errno: "EADDRINUSE"})
		}
	}
	for _, m := range reRefused.get().FindAllStringIndex(text, -1) {
		if strings.Contains(strings.ToLower(lineAround(text, m[0])), "connect") {
			out = append(out, mark{start: m[0], end: m[1], errno: "ECONNREFUSED"})
		}
	}
	return out
}

var reFourAnywhere = compiled(`\d+\.\d+\.\d+\.\d+`)

// failures finds the words of failures that tell no error.
func failures(text string) []mark {
	var out []mark
	for _, m := range reCannotBind.get().FindAllStringIndex(text, -1) {
		out = append(out, mark{start: m[0], end: m[1], operation: Bind})
	}
	for _, m := range reCannotConnect.get().FindAllStringIndex(text, -1) {
		out = append(out, mark{start: m[0], end: m[1], operation: Connect})
	}
	return out
}

// camel reports whether a word begins inside another, as Refused does in
// SocketRefused.
func camel(text string, at int) bool {
	return text[at] >= 'A' && text[at] <= 'Z' && isLower(text[at-1])
}

func camelEnd(rest string) bool {
	for _, end := range []string{"exception", "error", "ed", "s "} {
		if strings.HasPrefix(strings.ToLower(rest), end) {
			return true
		}
	}
	return false
}

// lineAround returns the line in which a position is.
func lineAround(text string, at int) string {
	start := strings.LastIndexByte(text[:at], '\n') + 1
	if end := strings.IndexByte(text[at:], '\n'); end >= 0 {
		return text[start : at+end]
	}
	return text[start:]
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
