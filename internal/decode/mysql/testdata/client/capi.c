/* Makes the traffic of capi.pcap with MariaDB's C client: cursors, pieces of
   values, bulk execution, several results, change of user, commands without SQL. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MYSQL *m;

static void drain(void)
{
	do {
		MYSQL_RES *r = mysql_store_result(m);
		if (r)
			mysql_free_result(r);
	} while (mysql_next_result(m) == 0);
}

static void query(const char *q)
{
	if (mysql_query(m, q))
		fprintf(stderr, "%s: %s\n", q, mysql_error(m));
	else
		drain();
}

static MYSQL_STMT *prepare(const char *q)
{
	MYSQL_STMT *s = mysql_stmt_init(m);
	if (mysql_stmt_prepare(s, q, strlen(q)))
		fprintf(stderr, "%s: %s\n", q, mysql_stmt_error(s));
	return s;
}

static void cursor(void)
{
	unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 2;
	int id = 3;
	char name[64];
	MYSQL_BIND in, out[2];
	MYSQL_STMT *s = prepare("select id, name from items where id <= ? order by id");
	memset(&in, 0, sizeof in);
	in.buffer_type = MYSQL_TYPE_LONG;
	in.buffer = &id;
	memset(out, 0, sizeof out);
	out[0].buffer_type = MYSQL_TYPE_LONG;
	out[0].buffer = &id;
	out[1].buffer_type = MYSQL_TYPE_STRING;
	out[1].buffer = name;
	out[1].buffer_length = sizeof name;
	mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &type);
	mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &rows);
	mysql_stmt_bind_param(s, &in);
	mysql_stmt_execute(s);
	mysql_stmt_bind_result(s, out);
	while (mysql_stmt_fetch(s) == 0)
		;
	mysql_stmt_reset(s);
	mysql_stmt_close(s);
}

static void pieces(void)
{
	MYSQL_BIND in[2];
	int id = 2000;
	MYSQL_STMT *s = prepare("insert into items values (?, ?, 1)");
	memset(in, 0, sizeof in);
	in[0].buffer_type = MYSQL_TYPE_LONG;
	in[0].buffer = &id;
	in[1].buffer_type = MYSQL_TYPE_BLOB;
	mysql_stmt_bind_param(s, in);
	mysql_stmt_send_long_data(s, 1, "in ", 3);
	mysql_stmt_send_long_data(s, 1, "pieces", 6);
	mysql_stmt_execute(s);
	mysql_stmt_close(s);
}

static void bulk(void)
{
	MYSQL_BIND in[2];
	int ids[3] = {3000, 3001, 3002};
	char *names[3] = {"a", "bc", NULL};
	unsigned long lengths[3] = {1, 2, 0};
	char of[3] = {STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_NULL};
	unsigned int n = 3;
	MYSQL_STMT *s = prepare("insert into items values (?, ?, 1)");
	memset(in, 0, sizeof in);
	in[0].buffer_type = MYSQL_TYPE_LONG;
	in[0].buffer = ids;
	in[1].buffer_type = MYSQL_TYPE_STRING;
	in[1].buffer = names;
	in[1].length = lengths;
	in[1].u.indicator = of;
	mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &n);
	mysql_stmt_bind_param(s, in);
	if (mysql_stmt_execute(s))
		fprintf(stderr, "bulk: %s\n", mysql_stmt_error(s));
	mysql_stmt_close(s);
}

int main(void)
{
	MYSQL_STMT *s;
	m = mysql_init(NULL);
	if (!mysql_real_connect(m, "127.0.0.1", "c", "sesame", "shop", 3306, NULL, CLIENT_MULTI_STATEMENTS))
		return fprintf(stderr, "connect: %s\n", mysql_error(m)), 1;
	query("set session_track_schema = 1, session_track_system_variables = '*'");
	query("select 1 as a; select 'x;y' as b; update items set price = 2 where id = 1");
	query("select 1; selec 2; select 3");
	query("create procedure p(n int) begin select n as first; select n + 1 as second, null as third; end");
	query("call p(1); select 'after'");
	query("set autocommit = 0");
	query("use mysql");
	query("create user guest identified by 'secret1'");
	query("set password for guest = password('secret2')");
	query("drop user guest");
	mysql_select_db(m, "shop");
	mysql_ping(m);
	mysql_stat(m);
	cursor();
	pieces();
	bulk();
	s = mysql_stmt_init(m);
	mariadb_stmt_execute_direct(s, "delete from items where id >= 2000", (size_t)-1);
	mysql_stmt_close(s);
	mysql_free_result(mysql_list_fields(m, "items", NULL));
	mysql_free_result(mysql_list_processes(m));
	mysql_set_server_option(m, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
	query("commit");
	mysql_reset_connection(m);
	if (mysql_change_user(m, "plain", "sesame", "mysql"))
		fprintf(stderr, "change user: %s\n", mysql_error(m));
	query("select current_user()");
	mysql_change_user(m, "plain", "wrong", "mysql");
	mysql_close(m);
	return 0;
}
