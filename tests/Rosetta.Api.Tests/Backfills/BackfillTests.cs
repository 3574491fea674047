using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Backfills;

[Collection(nameof(ApiCollection))]
public sealed class BackfillTests(ApiFixture fixture) : IAsyncLifetime
{
    ApiHost Api => fixture.Api;

    public Task InitializeAsync() => fixture.Server.ExecuteAsync("CREATE TABLE IF NOT EXISTS backfilled (id bigint PRIMARY KEY, status text)", "app");

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Should_queue_show_list_and_cancel_jobs()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var added = await Api.PostAsync(
            $"pipelines/{id}/backfill",
            new { table_name = "backfilled", filters = new object[] { "id >= 5", new { column = "status", @operator = "IN", value = new[] { "a", "b" } } } });
        Assert.True(added.Status == 202, added.Text);
        Assert.Equal(
            ("public.backfilled", "PENDING", 0, 10_000, 0),
            ((string)added.Json["table_name"]!, (string)added.Json["status"]!, (int)added.Json["count_record"]!, (int)added.Json["batch_size"]!, (int)added.Json["resume_attempts"]!));
        Assert.Null(added.Json["total_record"]);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""["id >= 5", {"column": "status", "operator": "IN", "value": ["a", "b"]}]"""), added.Json["filters"]), added.Text);
        var second = await Api.PostAsync($"pipelines/{id}/backfill", new { table_name = "public.backfilled", destination_ids = new[] { destination }, batch_size = 7 });
        Assert.Equal((202, 7), (second.Status, (int)second.Json["batch_size"]!));

        var list = await Api.GetAsync($"pipelines/{id}/backfill");
        Assert.Equal((2, second.Id, added.Id), ((int)list.Json["total"]!, (long)list.Json["items"]![0]!["id"]!, (long)list.Json["items"]![1]!["id"]!));
        Assert.Equal("PENDING", (string)(await Api.GetAsync($"pipelines/{id}/backfill/{added.Id}")).Json["status"]!);
        var cancelled = await Api.PostAsync($"pipelines/{id}/backfill/{added.Id}/cancel");
        Assert.Equal((200, "CANCELLED"), (cancelled.Status, (string)cancelled.Json["status"]!));
        Assert.NotNull(cancelled.Json["finished_at"]);
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/backfill/{added.Id}/cancel")).Status);

        var (other, _) = await fixture.AddPipelineAsync();
        foreach (var path in (string[])[$"pipelines/{other}/backfill/{added.Id}", "pipelines/4711/backfill", $"pipelines/{id}/backfill/4711", $"pipelines/{id}/backfill/x"])
            Assert.Equal(404, (await Api.GetAsync(path)).Status);
        Assert.Equal(404, (await Api.PostAsync($"pipelines/{other}/backfill/{second.Id}/cancel")).Status);
        Assert.Equal(404, (await Api.PostAsync("pipelines/4711/backfill", new { table_name = "backfilled" })).Status);
    }

    [Theory]
    [InlineData("""{}""", "table_name")]
    [InlineData("""{"table_name": "nothing"}""", "table_name")]
    [InlineData("""{"table_name": "a.b.c"}""", "table_name")]
    [InlineData("""{"table_name": "backfilled; DROP TABLE backfilled"}""", "table_name")]
    [InlineData("""{"table_name": "backfilled", "batch_size": 0}""", "batch_size")]
    [InlineData("""{"table_name": "backfilled", "destination_ids": [4711]}""", "destination_ids")]
    [InlineData("""{"table_name": "backfilled", "destination_ids": []}""", "destination_ids")]
    [InlineData("""{"table_name": "backfilled", "filters": "id = 1"}""", "filters")]
    [InlineData("""{"table_name": "backfilled", "filters": ["id = 1", "nothing = 1"]}""", "filters[1]")]
    [InlineData("""{"table_name": "backfilled", "filters": ["id = 1 OR 1=1"]}""", "filters[0]")]
    [InlineData("""{"table_name": "backfilled", "filters": [{"column": "id; --", "operator": "=", "value": 1}]}""", "filters[0]")]
    [InlineData("""{"table_name": "backfilled", "filters": [{"column": "id", "operator": "= 1 OR 1 =", "value": 1}]}""", "filters[0]")]
    [InlineData("""{"table_name": "backfilled", "filters": ["id=1","id=1","id=1","id=1","id=1","id=1"]}""", "filters")]
    [InlineData("""{"table_name": "backfilled", "where": "1=1"}""", "where")]
    public async Task Should_refuse_what_does_not_exist_and_all_SQL(string body, string field)
    {
        var (id, _) = await fixture.AddPipelineAsync();
        var refused = await Api.PostAsync($"pipelines/{id}/backfill", body);
        Assert.True(refused.Status == 422, refused.Text);
        Assert.NotEmpty(refused.Error(field));
        Assert.Equal(0, (int)(await Api.GetAsync($"pipelines/{id}/backfill")).Json["total"]!);
    }

    [Fact]
    public async Task Should_refuse_a_pipeline_without_a_destination()
    {
        var id = (await Api.PostAsync("pipelines", new { name = fixture.Name("empty"), source_id = await fixture.AddSourceAsync() })).Id;
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{id}/backfill", new { table_name = "backfilled" })).Status);
    }
}
