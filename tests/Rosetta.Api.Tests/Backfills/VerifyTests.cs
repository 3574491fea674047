using System.Text.Json;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Store.Jobs;
using Xunit;

namespace Rosetta.Api.Tests.Backfills;

[Collection(nameof(ApiCollection))]
public sealed class VerifyTests(ApiFixture fixture)
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_ask_for_a_comparison_and_show_what_was_found()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var started = await Api.PostAsync($"pipelines/{id}/verify", """{"tables": null, "destination_ids": null, "repair": false}""");
        Assert.True(started.Status == 202, started.Text);
        var run = (long)started.Json["run_id"]!;
        var waiting = await Api.GetAsync($"pipelines/{id}/verify/{run}");
        Assert.Equal((run, "PENDING", 0), ((long)waiting.Json["run_id"]!, (string)waiting.Json["status"]!, waiting.Json["tables"]!.AsArray().Count));
        Assert.Null(waiting.Json["equal"]);
        Assert.Contains("paused", (string)waiting.Json["waiting"]!, StringComparison.Ordinal);

        var epoch = (await Api.Store.Epochs.IssueAsync(id, "node", default))!.Value;
        var open = Assert.Single(await Api.Store.Verifies.OpenAsync(id, default));
        var found = new VerifyResult(destination, "public.a", "DIFFERENT", 1_000, 1_000, 2, 1, 3, Lsn.Parse("1/2"), null)
        {
            RowsCarried = 40, Ranges = 5, Keys = [new DifferingKey("different", JsonSerializer.SerializeToElement(new { id = 9007199254740993, name = "ä" }), ["n", "odd \"name"])],
        };
        Assert.True(await Api.Store.Verifies.SaveAsync(open, "EXECUTING", null, [found with { State = "COMPARING", Differing = 0 }], epoch, default));
        Assert.False(await Api.Store.Verifies.SaveAsync(open, "COMPLETED", null, [], epoch - 1, default));
        Assert.True(await Api.Store.Verifies.SaveAsync(open, "COMPLETED", null, [found], epoch, default));
        var ended = await Api.GetAsync($"pipelines/{id}/verify/{run}");
        Assert.Equal(("COMPLETED", false), ((string)ended.Json["status"]!, (bool)ended.Json["equal"]!));
        var table = ended.Json["tables"]![0]!;
        Assert.Equal(
            ("public.a", "DIFFERENT", 1_000, 2, 1, 3, "1/2"),
            ((string)table["table"]!, (string)table["state"]!, (int)table["rows_compared"]!, (int)table["differing"]!, (int)table["missing"]!, (int)table["extra"]!, (string)table["as_of_lsn"]!));
        Assert.Equal((40, 5), ((int)table["rows_carried"]!, (int)table["ranges"]!));
        Assert.Equal("""{"kind":"different","key":{"id":9007199254740993,"name":"ä"},"columns":["n","odd \"name"]}""", table["keys"]![0]!.ToJsonString(Plain));
        Assert.Null(ended.Json["waiting"]);
        Assert.Empty(await Api.Store.Verifies.OpenAsync(id, default));

        Assert.Equal(202, (await Api.PostAsync($"pipelines/{id}/verify")).Status);
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/verify", new { destination_ids = new[] { 4711 } })).Error("destination_ids"));
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/verify", new { tables = new[] { "a.b.c" } })).Error("tables"));
        Assert.Equal(404, (await Api.GetAsync($"pipelines/{id}/verify/4711")).Status);
        Assert.Equal(404, (await Api.PostAsync("pipelines/4711/verify")).Status);
        var empty = (await Api.PostAsync("pipelines", new { name = fixture.Name("empty"), source_id = await fixture.AddSourceAsync() })).Id;
        Assert.Equal(409, (await Api.PostAsync($"pipelines/{empty}/verify")).Status);
    }

    [Fact]
    public async Task Should_show_beforehand_what_a_resync_would_write_once_the_pipeline_runs()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var paused = await Api.PostAsync($"pipelines/{id}/resync?dry_run=true");
        Assert.Equal(409, paused.Status);
        Assert.Contains($"/pipelines/{id}/start", paused.Text, StringComparison.Ordinal);
        Assert.NotEmpty((await Api.PostAsync($"pipelines/{id}/resync?dry_run=maybe")).Error("dry_run"));
        await Api.PostAsync($"pipelines/{id}/start");
        var shown = await Api.PostAsync($"pipelines/{id}/resync?dry_run=true", new { destination_ids = new[] { destination } });
        Assert.True(shown.Status == 202, shown.Text);
        var open = Assert.Single(await Api.Store.Verifies.OpenAsync(id, default));
        Assert.Equal(((long)shown.Json["run_id"]!, false, destination), (open.Id, open.Repair, open.DestinationIds!.Value.Single()));
        Assert.Empty(await Api.Store.Requests.OpenAsync(id, default));
    }
}
