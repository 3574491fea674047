using Npgsql;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

[Collection(WireCollection.Name)]
public sealed class OpeningTests(WireServer wire)
{
    [Theory]
    [InlineData("scram_user", PgSslMode.Disable)]
    [InlineData("scram_user", PgSslMode.Require)]
    [InlineData("md5_user", PgSslMode.Disable)]
    [InlineData("md5_user", PgSslMode.Require)]
    [InlineData("clear_user", PgSslMode.Prefer)]
    public async Task Should_authenticate_with_a_password(string user, PgSslMode mode)
    {
        await using PgConnection connection = await PgConnection.OpenAsync(wire.Endpoint with { User = user, Password = "secret", SslMode = mode });

        PgResult result = await connection.QueryAsync("SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())");

        Assert.Equal(user, result.Text(0, 0));
        Assert.Equal(mode == PgSslMode.Disable ? "f" : "t", result.Text(0, 1));
        Assert.Equal(mode != PgSslMode.Disable, connection.IsEncrypted);
    }

    [Fact]
    public async Task Should_prepare_a_password_that_is_not_ascii_like_the_server()
    {
        await using PgConnection connection = await PgConnection.OpenAsync(wire.Endpoint with { User = "scram_hard", Password = WireServer.HardPassword });
        Assert.Equal("scram_hard", (await connection.QueryAsync("SELECT current_user")).Text(0, 0));
    }

    [Theory]
    [InlineData("scram_user")]
    [InlineData("md5_user")]
    [InlineData("clear_user")]
    public async Task Should_report_a_wrong_password(string user)
    {
        var error = await Assert.ThrowsAsync<PgServerException>(
            async () => await PgConnection.OpenAsync(wire.Endpoint with { User = user, Password = "wrong-password" }));
        Assert.Equal("28P01", error.SqlState);
        Assert.True(error.IsFatal);
        Assert.DoesNotContain("wrong-password", error.ToString());
    }

    [Fact]
    public async Task Should_say_that_a_password_is_missing()
    {
        var error = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { User = "scram_user" }));
        Assert.Contains("none is configured", error.Message);
    }

    [Theory]
    [InlineData("tls_only", PgSslMode.Allow, true)]
    [InlineData("tls_only", PgSslMode.Prefer, true)]
    [InlineData("plain_only", PgSslMode.Prefer, false)]
    [InlineData("plain_only", PgSslMode.Allow, false)]
    public async Task Should_change_over_when_the_server_refuses_the_first_way(string user, PgSslMode mode, bool encrypted)
    {
        await using PgConnection connection = await PgConnection.OpenAsync(wire.Endpoint with { User = user, SslMode = mode });
        Assert.Equal(encrypted, connection.IsEncrypted);
    }

    [Theory]
    [InlineData("tls_only", PgSslMode.Disable)]
    [InlineData("plain_only", PgSslMode.Require)]
    [InlineData("nobody", PgSslMode.Prefer)]
    public async Task Should_report_a_refusal_by_pg_hba(string user, PgSslMode mode)
    {
        var error = await Assert.ThrowsAsync<PgServerException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { User = user, SslMode = mode }));
        Assert.Equal("28000", error.SqlState);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    public async Task Should_verify_the_certificate_and_the_host(string host)
    {
        PgEndpoint endpoint = wire.Endpoint with { Host = host, SslMode = PgSslMode.VerifyFull, RootCertificate = wire.Server.CertificateFile };
        await using PgConnection connection = await PgConnection.OpenAsync(endpoint);
        Assert.True(connection.IsEncrypted);
    }

    [Theory]
    [InlineData(PgSslMode.VerifyFull)]
    [InlineData(PgSslMode.VerifyCa)]
    public async Task Should_refuse_a_certificate_that_leads_to_no_trusted_root(PgSslMode mode)
    {
        var error = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { SslMode = mode }));
        Assert.Contains("trusted root", error.Message);
    }

    [Fact]
    public async Task Should_refuse_another_hosts_certificate_only_when_the_host_counts()
    {
        PgEndpoint endpoint = wire.Endpoint with { Host = "127.0.0.2", SslMode = PgSslMode.VerifyFull, RootCertificate = wire.Server.CertificateFile };
        var error = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(endpoint));
        Assert.Contains("not made for the host", error.Message);

        await using PgConnection connection = await PgConnection.OpenAsync(endpoint with { SslMode = PgSslMode.VerifyCa });
        Assert.True(connection.IsEncrypted);
    }

    [Fact]
    public async Task Should_say_that_the_root_certificate_cannot_be_read()
    {
        PgEndpoint endpoint = wire.Endpoint with { SslMode = PgSslMode.VerifyCa, RootCertificate = "/nowhere/ca.pem" };
        var error = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(endpoint));
        Assert.Contains("/nowhere/ca.pem", error.Message);
    }

    [Fact]
    public async Task Should_connect_through_a_unix_socket()
    {
        PgEndpoint endpoint = wire.Endpoint with { Host = wire.SocketDirectory, SslMode = PgSslMode.VerifyFull };
        await using PgConnection connection = await PgConnection.OpenAsync(endpoint);
        Assert.Null((await connection.QueryAsync("SELECT inet_client_addr()")).Text(0, 0));
    }

    [Fact]
    public async Task Should_pass_startup_parameters_and_keep_what_the_server_reports()
    {
        PgEndpoint endpoint = (wire.Endpoint with { ApplicationName = "rosetta p7" })
            .With("statement_timeout", "12345").With("options", "-c search_path=\"a\\ b\",c");
        await using PgConnection connection = await PgConnection.OpenAsync(endpoint);

        Assert.Equal("12345ms", (await connection.QueryAsync("SHOW statement_timeout")).Text(0, 0));
        Assert.Equal("\"a b\",c", (await connection.QueryAsync("SHOW search_path")).Text(0, 0));
        Assert.Equal("rosetta p7", connection.Parameters["application_name"]);
        Assert.Equal(wire.Server.Version, connection.ServerVersion);
        Assert.Equal(connection.ProcessId, (await connection.QueryAsync("SELECT pg_backend_pid()")).Int64(0, 0));
        await connection.QueryAsync("SET application_name = 'changed'");
        Assert.Equal("changed", connection.Parameters["application_name"]);
    }

    [Fact]
    public async Task Should_give_npgsql_the_same_endpoint()
    {
        PgEndpoint endpoint = (wire.Endpoint with { User = "scram_user", Password = "secret", SslMode = PgSslMode.VerifyFull, RootCertificate = wire.Server.CertificateFile })
            .With("search_path", "\"a b\"").With("replication", "database");
        await using var connection = new NpgsqlConnection(endpoint.ToNpgsql());
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT current_user || current_setting('search_path')", connection);
        Assert.Equal("scram_user\"a b\"", await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task Should_report_an_unknown_database_host_and_port()
    {
        var database = await Assert.ThrowsAsync<PgServerException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { Database = "no;such\"db" }));
        Assert.Equal("3D000", database.SqlState);

        var host = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { Host = "no-such-host.invalid" }));
        Assert.Contains("no-such-host.invalid", host.Message);

        var port = await Assert.ThrowsAsync<PgConnectionException>(async () => await PgConnection.OpenAsync(wire.Endpoint with { Port = 1 }));
        Assert.Contains("127.0.0.1:1", port.Message);
        Assert.NotNull(port.InnerException);
    }

    [Fact]
    public void Should_not_show_the_password_of_an_endpoint() =>
        Assert.DoesNotContain("secret", (wire.Endpoint with { Password = "secret" }).ToString());
}
