using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;
using Xunit;

namespace Rosetta.Api.Tests.DeadLetters;

[Collection(nameof(ApiCollection))]
public sealed class RecoveryTests(ApiFixture fixture)
{
    ApiHost Api => fixture.Api;

    /// <summary>An update with the columns v and w, as entry 1A-3.</summary>
    static async Task AppendAsync(ApiHost api, long pipeline, long destination)
    {
        var (queue, epoch) = await LetterSamples.OpenAsync(api, pipeline, destination);
        var relation = new Relation(7, "public", "a", ReplicaIdentity.Default, [new RelationColumn("v", 25, -1, true), new RelationColumn("w", 25, -1, false)]);
        byte[] row = [0, 2, (byte)'t', 0, 0, 0, 1, (byte)'1', (byte)'n'];
        var letter = new DeadLetter(
            new TableName("public", "a"), new Position(new Lsn(0x1A), 3), 1, 0, ChangeKind.Update, ["1"], new ParkedChange(relation, ChangeKind.Update, ChangeFlags.None, default, row).Encode(),
            new DeadLetterFailure(ErrorClass.Data, "no", "23514"), DateTimeOffset.UnixEpoch);
        await api.Letters.AppendAsync(queue, epoch, [letter], default);
    }

    [Fact]
    public async Task Should_take_orders_and_show_what_comes_of_them()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}";
        var started = await Api.PostAsync($"{path}/recover-dlq", """{"table": "orders", "error_class": "DATA"}""");
        Assert.True(started.Status == 202, started.Text);
        var recovery = (string)started.Json["recovery_id"]!;
        var shown = await Api.GetAsync($"{path}/recover-dlq/{recovery}");
        Assert.Equal(
            (recovery, "RECOVER", "PENDING", "public.orders", "DATA", 0),
            ((string)shown.Json["recovery_id"]!, (string)shown.Json["kind"]!, (string)shown.Json["state"]!, (string)shown.Json["table"]!, (string)shown.Json["error_class"]!, (int)shown.Json["recovered"]!));
        Assert.Contains($"/pipelines/{id}/start", (string)shown.Json["waiting"]!, StringComparison.Ordinal);

        var epoch = (await Api.Store.Epochs.IssueAsync(id, "node", default))!.Value;
        var open = Assert.Single(await Api.Store.Recoveries.OpenAsync(id, default));
        Assert.Equal(new RecoveryRequest(RecoveryKind.Recover, "public.orders", ErrorClass.Data), open.Request);
        Assert.True(await Api.Store.Recoveries.SaveAsync(open with { Status = "EXECUTING", Counts = new RecoveryCounts(4, 1, 7, 2), Waiting = "The destination is away." }, epoch, default));
        shown = await Api.GetAsync($"{path}/recover-dlq/{recovery}");
        Assert.Equal(
            ("EXECUTING", 4, 1, 7, 2, "The destination is away."),
            ((string)shown.Json["state"]!, (int)shown.Json["recovered"]!, (int)shown.Json["failed"]!, (int)shown.Json["remaining"]!, (int)shown.Json["lost"]!, (string)shown.Json["waiting"]!));
        Assert.True(await Api.Store.Recoveries.SaveAsync(open with { Status = "COMPLETED", Counts = new RecoveryCounts(12), Result = """{"row": {"id": "1", "v": null}}""" }, epoch, default));
        shown = await Api.GetAsync($"{path}/recover-dlq/{recovery}");
        Assert.Equal(("COMPLETED", 12, "1"), ((string)shown.Json["state"]!, (int)shown.Json["recovered"]!, (string)shown.Json["result"]!["row"]!["id"]!));
        Assert.Null(shown.Json["waiting"]);

        var conflict = await Api.PostAsync($"{path}/recover-dlq/{recovery}/cancel");
        Assert.Equal(409, conflict.Status);
        Assert.Contains("COMPLETED", (string)conflict.Json["detail"]!, StringComparison.Ordinal);
        var another = (string)(await Api.PostAsync($"{path}/recover-dlq")).Json["recovery_id"]!;
        Assert.Equal((200, "CANCELLED"), ((await Api.PostAsync($"{path}/recover-dlq/{another}/cancel")) is var cancelled ? cancelled.Status : 0, (string)cancelled.Json["state"]!));
    }

    [Fact]
    public async Task Should_take_a_retry_with_an_edited_row_and_discards_with_their_reason()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}";
        await AppendAsync(Api, id, destination);
        foreach (var (what, body) in ((string, string)[])[
            ("dlq/1A-3/retry", "{}"), ("dlq/1A-3/retry", """{"new": {"v": "größer", "w": null}, "dry_run": true}"""), ("dlq/1A-3/discard", """{"reason": "why"}"""),
            ("dlq/discard", """{"table": "a", "error_class": "table", "reason": "why"}""")])
        {
            var answer = await Api.PostAsync($"{path}/{what}", body);
            Assert.True(answer.Status == 202, answer.Text);
        }

        var open = (await Api.Store.Recoveries.OpenAsync(id, default)).Select(o => o.Request).ToList();
        Assert.Equal([RecoveryKind.Retry, RecoveryKind.Retry, RecoveryKind.Discard, RecoveryKind.Discard], open.Select(r => r.Kind));
        Assert.Equal(("1A-3", null, false), (open[0].Entry, open[0].Edited, open[0].DryRun));
        Assert.Equal((true, "größer", null), (open[1].DryRun, open[1].Edited!["v"], open[1].Edited!["w"]));
        Assert.Equal(("1A-3", "why"), (open[2].Entry, open[2].Reason));
        Assert.Equal(("public.a", ErrorClass.Table, "why"), (open[3].Table, open[3].Class, open[3].Reason));
    }

    [Fact]
    public async Task Should_refuse_what_makes_no_sense()
    {
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}";
        await AppendAsync(Api, id, destination);
        foreach (var (what, body, field) in ((string, string, string)[])[
            ("recover-dlq", """{"table": "a.b.c"}""", "table"), ("recover-dlq", """{"error_class": "ODD"}""", "error_class"), ("recover-dlq", """{"error_class": "1"}""", "error_class"),
            ("recover-dlq", """{"odd": 1}""", "odd"), ("dlq/1-0/retry", """{"new": {"v": 1}}""", "new"), ("dlq/1-0/retry", """{"new": {}}""", "new"),
            ("dlq/1A-3/retry", """{"new": {"nope": "1"}}""", "new"), ("dlq/1-0/retry", """{"new": "v"}""", "new"), ("dlq/1-0/retry", """{"dry_run": "yes"}""", "dry_run"), ("dlq/1-0/discard", "{}", "reason"),
            ("dlq/1-0/discard", """{"reason": "  "}""", "reason"), ("dlq/discard", """{"reason": "all"}""", "table"), ("dlq/discard", """{"table": "a"}""", "reason")])
            Assert.NotEmpty((await Api.PostAsync($"{path}/{what}", body)).Error(field));
        foreach (var what in (string[])["dlq/what/retry", "dlq/1_0/retry", "dlq/1-0/retry", "recover-dlq/4711/cancel", "recover-dlq/odd/cancel"])
            Assert.Equal(404, (await Api.PostAsync($"{path}/{what}")).Status);
        Assert.Equal(404, (await Api.PostAsync($"{path}/dlq/what/discard", """{"reason": "why"}""")).Status);
        Assert.Equal(404, (await Api.GetAsync($"{path}/recover-dlq/4711")).Status);
        Assert.Equal(404, (await Api.GetAsync($"{path}/recover-dlq/99999999999999999999")).Status);
        Assert.Equal(404, (await Api.PostAsync($"pipelines/{id}/destinations/4711/recover-dlq")).Status);
        Assert.Equal(404, (await Api.PostAsync($"pipelines/4711/destinations/{destination}/recover-dlq")).Status);
        Assert.Empty(await Api.Store.Recoveries.OpenAsync(id, default));
    }

    [Fact]
    public async Task Should_let_operators_recover_and_admins_discard()
    {
        await using var api = await ApiHost.StartAsync(fixture.Server.ConnectionString("config"), "v:viewer:viewer-key,o:operator:operator-key,a:admin:admin-key");
        var (id, destination) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{id}/destinations/{destination}";
        await AppendAsync(api, id, destination);
        var discard = new JsonObject { ["reason"] = "why", ["table"] = "a" };
        Assert.Equal(403, (await api.PostAsync($"{path}/recover-dlq", key: "viewer-key")).Status);
        Assert.Equal(202, (await api.PostAsync($"{path}/recover-dlq", key: "operator-key")).Status);
        Assert.Equal(202, (await api.PostAsync($"{path}/dlq/1A-3/retry", key: "operator-key")).Status);
        Assert.Equal(403, (await api.PostAsync($"{path}/dlq/discard", discard, "operator-key")).Status);
        Assert.Equal(403, (await api.PostAsync($"{path}/dlq/1A-3/discard", new { reason = "why" }, "operator-key")).Status);
        Assert.Equal(202, (await api.PostAsync($"{path}/dlq/discard", discard, "admin-key")).Status);
        var open = await Api.Store.Recoveries.OpenAsync(id, default);
        Assert.Equal(["o", "o", "a"], open.Select(o => o.RequestedBy));
        Assert.Equal(200, (await api.GetAsync($"{path}/recover-dlq/{open[2].Id}", "viewer-key")).Status);
    }
}
