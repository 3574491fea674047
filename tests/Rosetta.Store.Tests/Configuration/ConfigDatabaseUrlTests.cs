using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Rosetta.Store.Configuration;
using Xunit;

namespace Rosetta.Store.Tests.Configuration;

public sealed class ConfigDatabaseUrlTests
{
    [Theory]
    [InlineData("postgres://user:p%40ss%2F%3A@db.example:6543/my%20db?sslmode=verify-full", "db.example", 6543, "my db", "user", "p@ss/:", SslMode.VerifyFull)]
    [InlineData("postgresql://user@[::1]/db", "::1", 5432, "db", "user", null, SslMode.Prefer)]
    [InlineData("Host=db;Port=7;Database=d;Username=u;Password=a=b;SSL Mode=Require", "db", 7, "d", "u", "a=b", SslMode.Require)]
    public void Should_read_both_forms(string value, string host, int port, string database, string user, string? password, SslMode ssl)
    {
        var settings = ConfigDatabaseUrl.Parse(value);

        Assert.Equal((host, port, database, user, password, ssl),
            (settings.Host!, settings.Port, settings.Database!, settings.Username!, settings.Password, settings.SslMode));
    }

    [Fact]
    public void Should_let_the_url_overrule_the_timeouts_and_the_size_of_the_pool()
    {
        using var plain = new DisposableDatabase("postgres://u@h/d");
        using var given = new DisposableDatabase("postgres://u@h/d?connect_timeout=50&Command%20Timeout=51&Maximum%20Pool%20Size=52");

        Assert.Equal((5, 10, 10), plain.Limits);
        Assert.Equal((50, 51, 52), given.Limits);
    }

    sealed class DisposableDatabase(string url) : IDisposable
    {
        readonly ConfigDatabase _database = new(url, NullLogger<ConfigDatabase>.Instance);

        public (int, int, int) Limits
        {
            get
            {
                var settings = new NpgsqlConnectionStringBuilder(_database.ConnectionString);
                return (settings.Timeout, settings.CommandTimeout, settings.MaxPoolSize);
            }
        }

        public void Dispose() => _database.DataSource.Dispose();
    }

    [Theory]
    [InlineData(null)]
    [InlineData(" ")]
    [InlineData("postgres://:geheim@/db")]
    [InlineData("nonsense geheim")]
    [InlineData("Hosst=geheim")]
    [InlineData("postgres://u:geheim@h/db?no_such_option=1")]
    [InlineData("postgres://u:geheim@h/db?sslmode=perhaps")]
    public void Should_name_the_setting_and_not_repeat_its_value(string? value)
    {
        var error = Assert.Throws<ConfigDatabaseSettingException>(() => ConfigDatabaseUrl.Parse(value));

        Assert.Contains("CONFIG_DATABASE_URL", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheim", error.ToString(), StringComparison.Ordinal);
    }
}
