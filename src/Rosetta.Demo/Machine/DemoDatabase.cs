using Rosetta.Testing.Servers;

namespace Rosetta.Demo.Machine;

/// <summary>One private server with one database, owned by the role that Rosetta logs in with.</summary>
sealed record DemoDatabase(PostgresServer Server, string Name, string User, string Password)
{
    const int FirstVersionWithParameterPrivileges = 15;

    /// <summary>For the demo's own traffic and comparison, as superuser; Rosetta uses <see cref="User"/>.</summary>
    public string ConnectionString => Server.ConnectionString(Name);

    /// <summary>As CONFIG_DATABASE_URL takes it.</summary>
    public string Url => $"postgresql://{User}:{Password}@{Server.Host}:{Server.Port}/{Name}";

    /// <summary>Starts a server with password authentication, and makes role and database.</summary>
    /// <param name="replication">The role may stream (a source).</param>
    public static async Task<DemoDatabase> StartAsync(
        string server, int port, string database, bool replication, CancellationToken cancellationToken)
    {
        const string User = "rosetta";
        var password = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray());
        var started = await PostgresServer.StartAsync(
            new PostgresServerOptions { Name = server, Port = port, Auth = "scram-sha-256" }, cancellationToken);
        try
        {
            var attributes = replication ? "LOGIN REPLICATION" : "LOGIN";
            await started.ExecuteAsync($"CREATE ROLE {User} {attributes} PASSWORD '{password}'", cancellationToken: cancellationToken);
            // Activity of other roles, for the preflight's findings, and WAL sizes.
            await started.ExecuteAsync($"GRANT pg_monitor TO {User}", cancellationToken: cancellationToken);
            if (started.Version >= FirstVersionWithParameterPrivileges)
                await started.ExecuteAsync($"GRANT SET ON PARAMETER session_replication_role TO {User}", cancellationToken: cancellationToken);
            await started.ExecuteAsync($"CREATE DATABASE {database} OWNER {User}", cancellationToken: cancellationToken);
            return new DemoDatabase(started, database, User, password);
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>Gives schemas and tables to Rosetta's role, which a publication of its own needs.</summary>
    public Task GiveTablesAsync(CancellationToken cancellationToken) => Server.ExecuteAsync(
        $"""
        DO $$
        DECLARE t regclass; s name;
        BEGIN
          FOR s IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public')
          LOOP
            EXECUTE format('ALTER SCHEMA %I OWNER TO {User}', s);
          END LOOP;
          FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
          LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO {User}', t);
          END LOOP;
        END $$
        """,
        Name, cancellationToken);

    /// <summary>The end of the write-ahead log.</summary>
    public async Task<string> WalEndAsync(CancellationToken cancellationToken) =>
        await Server.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text", Name, cancellationToken) ?? "0/0";

    public override string ToString() => $"{Name} on port {Server.Port}";
}
