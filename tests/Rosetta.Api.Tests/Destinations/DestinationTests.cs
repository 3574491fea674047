using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Destinations;

[Collection(nameof(ApiCollection))]
public sealed class DestinationTests(ApiFixture fixture)
{
    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_add_show_change_and_delete_and_never_show_a_secret()
    {
        var added = await Api.PostAsync("destinations", fixture.Destination(fixture.Name("d'\";")));
        Assert.True(added.Status == 201, added.Text);
        Assert.Equal(("POSTGRES", "127.0.0.1", "prefer"), (
            (string)added.Json["type"]!, (string)added.Json["config"]!["host"]!, (string)added.Json["config"]!["ssl_mode"]!));
        Assert.Null(added.Json["config"]!["schema"]);
        Assert.False(added.Json["config"]!.AsObject().ContainsKey("password"));

        var changed = await Api.PutAsync($"destinations/{added.Id}", new { config = new { schema = "x", password = (string?)null } });
        Assert.Equal((200, "x", "app"), (changed.Status, (string)changed.Json["config"]!["schema"]!, (string)changed.Json["config"]!["database"]!));
        Assert.DoesNotContain("not shown", changed.Text, StringComparison.Ordinal);
        Assert.Equal("not shown", (await Api.Store.Destinations.FindAsync(added.Id, CancellationToken.None))!.Config.Text("password"));
        Assert.Equal(200, (await Api.PutAsync($"destinations/{added.Id}", changed.Text)).Status);
        var cleared = await Api.PutAsync($"destinations/{added.Id}", new { config = new { schema = (string?)null } });
        Assert.Null(cleared.Json["config"]!["schema"]);
        Assert.True((bool)(await Api.PostAsync($"destinations/{added.Id}/test-connection")).Json["ok"]!);
        Assert.Equal(204, (await Api.DeleteAsync($"destinations/{added.Id}")).Status);
    }

    [Fact]
    public async Task Should_name_every_field_of_the_config_that_is_wrong()
    {
        var answer = await Api.PostAsync("destinations", new { name = "x", type = "POSTGRES", config = new { port = 0.5, database = "d", user = "", bogus = 1 } });

        Assert.Equal(422, answer.Status);
        Assert.Contains("required", answer.Error("config.host"), StringComparison.Ordinal);
        Assert.Contains("whole number", answer.Error("config.port"), StringComparison.Ordinal);
        Assert.Contains("not known", answer.Error("config.bogus"), StringComparison.Ordinal);
        var rules = await Api.PostAsync("destinations", new { name = "x", type = "postgres", config = new { host = "h", database = "d", user = "", port = 0, ssl_mode = "x" } });
        foreach (var field in (string[])["config.user", "config.port", "config.ssl_mode"]) Assert.NotEmpty(rules.Error(field));
        Assert.NotEmpty((await Api.PostAsync("destinations", new { name = "x", type = "ORACLE", config = new { } })).Error("type"));
        Assert.Contains("not available", (await Api.PostAsync("destinations", new { name = "x", type = "SNOWFLAKE", config = new { } })).Error("type"), StringComparison.Ordinal);
        Assert.NotEmpty((await Api.PutAsync($"destinations/{await fixture.AddDestinationAsync()}", new { config = new { host = (string?)null } })).Error("config.host"));
    }
}
