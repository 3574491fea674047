using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Source;

[Collection(SourceServerCollection.Name)]
public sealed class ConnectionCheckTests(SourceServer source)
{
    static Task<ConnectionCheckResult> CheckAsync(PgEndpoint endpoint) => ConnectionCheck.RunAsync(endpoint, CancellationToken.None);

    [Fact]
    public async Task Should_answer_version_and_latency()
    {
        var result = await CheckAsync(source.Endpoint(await source.CreateDatabaseAsync()));
        Assert.True(result.Ok, result.Error);
        Assert.StartsWith(FormattableString.Invariant($"{source.Server.Version}."), result.ServerVersion, StringComparison.Ordinal);
        Assert.NotNull(result.LatencyMs);
    }

    [Fact]
    public async Task Should_explain_unknown_host_refused_port_and_unknown_database()
    {
        var endpoint = source.Endpoint("postgres");
        var host = await CheckAsync(endpoint with { Host = "no-such-host.invalid" });
        Assert.Contains("does not resolve", host.Hint, StringComparison.Ordinal);
        var port = await CheckAsync(endpoint with { Port = FreePorts.Next() });
        Assert.Contains("Nothing listens on port", port.Hint, StringComparison.Ordinal);
        var database = await CheckAsync(endpoint with { Database = "none; \"x" });
        Assert.Contains("Create the database 'none; \"x'", database.Hint, StringComparison.Ordinal);
        Assert.All([host, port, database], r => Assert.False(r.Ok));
        Assert.All([host, port, database], r => Assert.False(string.IsNullOrEmpty(r.Error)));
    }

    [Fact]
    public async Task Should_explain_missing_tls()
    {
        var result = await CheckAsync(source.Endpoint("postgres") with { SslMode = PgSslMode.Require });
        Assert.Contains("ssl = off", result.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_explain_wrong_password_pg_hba_and_required_tls_without_telling_the_password()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions
        {
            Name = "strict",
            RequireSsl = true,
            Auth = "scram-sha-256",
            HbaLines = ["hostssl all barred 127.0.0.1/32 reject"],
        });
        await server.ExecuteAsync("CREATE ROLE barred LOGIN PASSWORD 'x'; CREATE ROLE nologin PASSWORD 'x'");
        var endpoint = SourceServer.EndpointOf(server) with { Password = PostgresServer.Password, SslMode = PgSslMode.Require };
        Assert.True((await CheckAsync(endpoint)).Ok);
        var password = await CheckAsync(endpoint with { Password = "hunter2" });
        Assert.Contains("password of 'postgres' is wrong", password.Hint, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", password.Error + password.Hint, StringComparison.Ordinal);
        Assert.Contains("pg_hba.conf", (await CheckAsync(endpoint with { User = "barred", Password = "x" })).Hint, StringComparison.Ordinal);
        Assert.Contains("LOGIN", (await CheckAsync(endpoint with { User = "nologin", Password = "x" })).Hint, StringComparison.Ordinal);
        Assert.Contains("TLS only", (await CheckAsync(endpoint with { SslMode = PgSslMode.Disable })).Hint, StringComparison.Ordinal);
        Assert.Contains("Give the password", (await CheckAsync(endpoint with { Password = null })).Hint, StringComparison.Ordinal);
        Assert.Contains("trusted root", (await CheckAsync(endpoint with { SslMode = PgSslMode.VerifyCa })).Hint, StringComparison.Ordinal);
    }
}
