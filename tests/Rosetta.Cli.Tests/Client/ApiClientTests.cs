using Rosetta.Cli.Tests.Running;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Xunit;

namespace Rosetta.Cli.Tests.Client;

public sealed class ApiClientTests : IAsyncLifetime
{
    readonly AnsweringApi _api = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Should_find_a_name_on_a_later_page()
    {
        var first = string.Join(",", Enumerable.Range(1, 1000).Select(i => $$"""{"id": {{i}}, "name": "n{{i}}"}"""));
        _api.Answer("GET /api/v1/sources?limit=1000&offset=0", $$"""{"items": [{{first}}], "total": 1001}""")
            .Answer("GET /api/v1/sources?limit=1000&offset=1000", """{"items": [{"id": 1001, "name": "wanted"}], "total": 1001}""");
        using var client = new ApiClient(_api.Address);
        Assert.Equal(1001, await client.IdAsync("sources", "wanted"));
    }

    [Fact]
    public async Task Should_say_which_list_shows_the_names_when_there_is_none()
    {
        _api.Answer("GET /api/v1/sources?limit=1000&offset=0", """{"items": [], "total": 0}""");
        using var client = new ApiClient(_api.Address);
        var refused = await Assert.ThrowsAsync<ApiException>(() => client.IdAsync("sources", "nobody"));
        Assert.Contains("rosetta sources list", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_not_take_another_server_for_a_node()
    {
        _api.Answer("GET /api/v1/pipelines/1", "<html>", 502, "text/html");
        using var client = new ApiClient(_api.Address);
        var refused = await Assert.ThrowsAsync<ApiException>(() => client.GetAsync("pipelines/1"));
        Assert.Equal(502, refused.Status);
        Assert.Contains("Is this a Rosetta node?", refused.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_read_a_pipeline_before_its_first_start()
    {
        _api.Answer(
            "GET /api/v1/pipelines/1",
            """{"id": 1, "name": "p", "source_id": 1, "status": "PAUSE", "runtime": {"state": "STOPPED", "node": null}, "destinations": []}""");
        using var client = new ApiClient(_api.Address);
        var pipeline = (await client.GetAsync("pipelines/1")).As<Pipeline>();
        Assert.Equal(("STOPPED", null, 0), (pipeline.Runtime.State, pipeline.Runtime.Node, pipeline.Destinations.Count));
    }
}
