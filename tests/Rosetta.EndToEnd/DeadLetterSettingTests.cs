using Microsoft.Extensions.Configuration;
using Rosetta.Node;
using Rosetta.Store.DeadLetters;
using Xunit;

namespace Rosetta.EndToEnd;

public sealed class DeadLetterSettingTests
{
    [Fact]
    public void Should_keep_dead_letters_in_the_config_database_when_nothing_is_said() => Assert.Equal(DeadLetterSettings.Default, Read().DeadLetters);

    [Fact]
    public void Should_read_what_is_said_of_dead_letters()
    {
        var node = Read(
            ("REDIS_URL", "redis://cache:6379/1"), ("DLQ_KEY_PREFIX", "shop:dlq"), ("DLQ_CHECK_INTERVAL", "5"), ("DLQ_BATCH_SIZE", "20"), ("DLQ_MAX_RETRY_COUNT", "0"),
            ("DLQ_MAX_AGE_DAYS", "30"));

        Assert.Equal(new DeadLetterSettings("redis://cache:6379/1", "shop:dlq", TimeSpan.FromSeconds(5), 20, 0, TimeSpan.FromDays(30)), node.DeadLetters);
        Assert.Equal(
            (true, TimeSpan.FromSeconds(5), 0, 20, TimeSpan.FromDays(30)),
            (node.Pipelines.Parking, node.Pipelines.RecoveryInterval, node.Pipelines.RecoveryTries, node.Pipelines.RecoveryBatch, node.Pipelines.RecoveryMaxAge));
    }

    [Theory]
    [InlineData("REDIS_URL", "http://user:secret@cache")]
    [InlineData("DLQ_KEY_PREFIX", "two words")]
    [InlineData("DLQ_CHECK_INTERVAL", "0")]
    [InlineData("DLQ_BATCH_SIZE", "many")]
    [InlineData("DLQ_MAX_RETRY_COUNT", "-1")]
    [InlineData("DLQ_MAX_AGE_DAYS", "0")]
    public void Should_name_the_setting_that_is_wrong(string key, string value)
    {
        var error = Assert.Throws<NodeSettingException>(() => Read((key, value)));

        Assert.Contains(key, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    static NodeSettings Read(params (string Key, string Value)[] said) => NodeSettings.Read(new ConfigurationBuilder()
        .AddInMemoryCollection(said.Append(("CONFIG_DATABASE_URL", "postgres://rosetta@127.0.0.1/rosetta")).ToDictionary(s => s.Item1, s => (string?)s.Item2))
        .Build());
}
