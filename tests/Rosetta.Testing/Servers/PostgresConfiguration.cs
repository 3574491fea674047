using System.Text;

namespace Rosetta.Testing.Servers;

/// <summary>The configuration files of a private server.</summary>
static class PostgresConfiguration
{
    public static async Task WriteAsync(
        PostgresServerOptions options, string dataDirectory, string socketDirectory, CancellationToken cancellationToken)
    {
        var settings = new Dictionary<string, string>
        {
            ["listen_addresses"] = "127.0.0.1",
            ["unix_socket_directories"] = socketDirectory,
            ["wal_level"] = "logical",
            ["max_wal_senders"] = "20",
            ["max_replication_slots"] = "20",
            ["max_connections"] = "100",
            ["max_worker_processes"] = "16",
            ["max_logical_replication_workers"] = "12",
            ["shared_buffers"] = "128MB",
            ["max_wal_size"] = "1GB",
            ["checkpoint_timeout"] = "15min",
            ["fsync"] = options.Durable ? "on" : "off",
            ["full_page_writes"] = options.Durable ? "on" : "off",
            ["jit"] = "off",
            ["timezone"] = "UTC",
            ["log_timezone"] = "UTC",
            ["log_line_prefix"] = "%m [%p] %u@%d %a ",
            ["password_encryption"] = options.Auth == "md5" ? "md5" : "scram-sha-256"
        };
        if (options.Ssl || options.RequireSsl)
        {
            await ServerCertificate.WriteAsync(dataDirectory, cancellationToken);
            settings["ssl"] = "on";
        }
        foreach (var (name, value) in options.Settings)
            settings[name] = value;
        await AppendAsync(settings, dataDirectory, cancellationToken);

        var kind = options.RequireSsl ? "hostssl" : "host";
        string[] hba =
        [
            .. options.HbaLines,
            "local all all trust",
            $"{kind} all all 127.0.0.1/32 {options.Auth}",
            $"{kind} replication all 127.0.0.1/32 {options.Auth}"
        ];
        await File.WriteAllLinesAsync(Path.Combine(dataDirectory, "pg_hba.conf"), hba, cancellationToken);
    }

    /// <summary>Adds settings at the end of postgresql.conf, where they win over earlier ones.</summary>
    public static async Task AppendAsync(
        IReadOnlyDictionary<string, string> settings, string dataDirectory, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in settings)
            text.Append(name).Append(" = '").Append(value.Replace("'", "''", StringComparison.Ordinal)).Append("'\n");
        await File.AppendAllTextAsync(Path.Combine(dataDirectory, "postgresql.conf"), text.ToString(), cancellationToken);
    }
}
