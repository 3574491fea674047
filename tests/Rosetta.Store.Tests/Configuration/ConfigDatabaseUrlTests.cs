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
