import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;

// Jdbc sends what programs in Java do: batches, results in pieces, statements that are
// prepared in several ways, savepoints, procedures. Its arguments are addresses of servers.
class Jdbc {
	static void insert(Connection c) throws SQLException {
		try (PreparedStatement s = c.prepareStatement("insert into jdbc (a, b, c, d, e) values (?, ?, ?, ?, ?)")) {
			for (int i = 0; i < 5; i++) {
				s.setInt(1, i);
				s.setString(2, i == 3 ? null : "text " + i);
				s.setBigDecimal(3, new BigDecimal("1.50"));
				s.setTimestamp(4, new Timestamp(1000000000000L));
				s.setBytes(5, new byte[] {0, 1, 2});
				s.addBatch();
			}
			s.executeBatch();
		}
	}

	static void run(String url) throws Exception {
		boolean postgresql = url.startsWith("jdbc:postgresql:");
		try (Connection c = DriverManager.getConnection(url)) {
			try (Statement s = c.createStatement()) {
				s.execute("create temporary table jdbc (a int, b varchar(200), c decimal(5,2), d timestamp null, e " + (postgresql ? "bytea" : "blob") + ")");
				try {
					s.execute("select 1; select 2 as two");
					while (s.getMoreResults() || s.getUpdateCount() != -1);
				} catch (SQLException e) {
					// MariaDB's server takes one statement, if not told otherwise.
				}
			}
			for (int i = 0; i < 3; i++) insert(c);
			c.setAutoCommit(false);
			try (PreparedStatement s = c.prepareStatement("select * from jdbc where a < ? order by a")) {
				s.setInt(1, 4);
				s.setFetchSize(3);
				try (ResultSet r = s.executeQuery()) {
					while (r.next()) r.getString(2);
				}
			}
			Savepoint point = c.setSavepoint();
			try (PreparedStatement s = c.prepareStatement("select * from missing where a = ?")) {
				s.setInt(1, 0);
				s.executeQuery();
			} catch (SQLException e) {
				c.rollback(point);
			}
			c.commit();
			c.setAutoCommit(true);
			if (postgresql) {
				org.postgresql.copy.CopyManager copy = c.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
				copy.copyIn("copy jdbc (a, b) from stdin", new StringReader("7\tseven\n8\teight\n"));
				copy.copyOut("copy jdbc to stdout (format csv)", new StringWriter());
				return;
			}
			try (PreparedStatement s = c.prepareStatement("insert into jdbc (a, e) values (?, ?)")) {
				s.setInt(1, 9);
				s.setBinaryStream(2, new ByteArrayInputStream(new byte[5000]));
				s.executeUpdate();
			}
			try (CallableStatement s = c.prepareCall("{call twice(?, ?)}")) {
				s.setInt(1, 3);
				s.registerOutParameter(2, Types.INTEGER);
				s.execute();
				while (s.getMoreResults() || s.getUpdateCount() != -1);
			}
		}
	}

	public static void main(String[] urls) throws Exception {
		for (String url : urls) run(url);
	}
}
