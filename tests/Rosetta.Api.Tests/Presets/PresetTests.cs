using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Presets;

[Collection(nameof(ApiCollection))]
public sealed class PresetTests(ApiFixture fixture)
{
    static readonly object[] Orders = [new { table_name = "orders", table_name_target = "sales.orders" }, new { table_name = "log.*", enabled = false }];

    ApiHost Api => fixture.Api;

    [Fact]
    public async Task Should_add_show_change_list_and_delete_a_preset()
    {
        var name = fixture.Name("p'\"; --");
        var added = await Api.PostAsync("presets", new { name, table_syncs = Orders });
        Assert.True(added.Status == 201, added.Text);
        Assert.Equal(["public.orders", "log.*"], added.Json["table_syncs"]!.AsArray().Select(t => (string)t!["table_name"]!));
        var path = $"presets/{added.Id}";
        Assert.Equal(added.Text, (await Api.GetAsync(path)).Text);
        Assert.Contains((await Api.GetAsync("presets?limit=1000")).Json["items"]!.AsArray(), p => (long)p!["id"]! == added.Id);

        var back = await Api.PutAsync(path, added.Text);
        Assert.Equal((200, added.Text), (back.Status, back.Text));
        var renamed = await Api.PutAsync(path, new { name = fixture.Name("renamed") });
        Assert.Equal(added.Json["table_syncs"]!.ToJsonString(), renamed.Json["table_syncs"]!.ToJsonString());
        Assert.Empty((await Api.PutAsync(path, new { table_syncs = Array.Empty<object>() })).Json["table_syncs"]!.AsArray());
        Assert.Equal(204, (await Api.DeleteAsync(path)).Status);
        Assert.Equal(404, (await Api.DeleteAsync(path)).Status);
        Assert.Equal(404, (await Api.GetAsync(path)).Status);
        Assert.Equal(404, (await Api.PutAsync(path, new { name })).Status);
    }

    [Fact]
    public async Task Should_refuse_a_wrong_preset_field_by_field()
    {
        var name = fixture.Name("taken");
        Assert.Equal(201, (await Api.PostAsync("presets", new { name, table_syncs = Orders })).Status);
        Assert.Equal(409, (await Api.PostAsync("presets", new { name, table_syncs = Orders })).Status);
        Assert.NotEmpty((await Api.PostAsync("presets", new { name = fixture.Name("x") })).Error("from"));
        var both = new { name = fixture.Name("x"), table_syncs = Orders, from = new { pipeline_id = 1, destination_id = 1 } };
        Assert.NotEmpty((await Api.PostAsync("presets", both)).Error("from"));
        var unknown = await Api.PostAsync("presets", new { name = fixture.Name("x"), from = new { pipeline_id = 4711, destination_id = 1 } });
        Assert.Equal((422, true), (unknown.Status, unknown.Error("from.pipeline_id").Length > 0));
        var wrong = await Api.PostAsync("presets", new { name = " ", table_syncs = new object[] { new { table_name = "a.b.c" }, new { nope = 1 } } });
        Assert.NotEmpty(wrong.Error("table_syncs[1].nope"));
        wrong = await Api.PostAsync("presets", new { name = " ", table_syncs = new[] { new { table_name = "a.b.c" } } });
        foreach (var field in (string[])["name", "table_syncs[0].table_name"]) Assert.True(wrong.Error(field).Length > 0, $"{field}: {wrong.Text}");
        Assert.NotEmpty((await Api.PostAsync("presets", new { name = fixture.Name("x"), table_syncs = new[] { new { table_name = "x" }, new { table_name = "public.x" } } })).Error("table_syncs"));
    }

    [Fact]
    public async Task Should_copy_a_destinations_choice_into_a_preset_and_a_preset_into_destinations()
    {
        var (first, destination) = await fixture.AddPipelineAsync();
        var tables = $"pipelines/{first}/destinations/{destination}/tables";
        var chosen = (await Api.PutAsync(tables, new { table_syncs = Orders })).Json["table_syncs"]!.ToJsonString();

        var preset = await Api.PostAsync("presets", new { name = fixture.Name("from"), from = new { pipeline_id = first, destination_id = destination } });
        Assert.Equal((201, chosen), (preset.Status, preset.Json["table_syncs"]!.ToJsonString()));

        var (second, other) = await fixture.AddPipelineAsync();
        var put = await Api.PutAsync($"pipelines/{second}/destinations/{other}/tables", new { preset_id = preset.Id });
        Assert.Equal((200, chosen), (put.Status, put.Json["table_syncs"]!.ToJsonString()));
        var third = await fixture.AddDestinationAsync();
        var attached = await Api.PostAsync($"pipelines/{second}/destinations", new { destination_id = third, preset_id = preset.Id });
        Assert.True(attached.Status == 201, attached.Text);

        // Copied at that moment: what becomes of the preset changes neither.
        Assert.Equal(200, (await Api.PutAsync($"presets/{preset.Id}", new { table_syncs = Array.Empty<object>() })).Status);
        Assert.Equal(204, (await Api.DeleteAsync($"presets/{preset.Id}")).Status);
        foreach (var id in (long[])[other, third])
            Assert.Equal(chosen, (await Api.GetAsync($"pipelines/{second}/destinations/{id}/tables")).Json["table_syncs"]!.ToJsonString());
    }

    [Fact]
    public async Task Should_hold_a_preset_to_the_rules_of_table_syncs_when_it_is_used()
    {
        var (first, destination) = await fixture.AddPipelineAsync();
        Assert.Equal(200, (await Api.PutAsync($"pipelines/{first}/destinations/{destination}/tables", new { table_syncs = Orders })).Status);
        var preset = await Api.PostAsync("presets", new { name = fixture.Name("rules"), table_syncs = Orders });
        var (second, other) = await fixture.AddPipelineAsync();
        var path = $"pipelines/{second}/destinations";

        Assert.NotEmpty((await Api.PutAsync($"{path}/{other}/tables", new { preset_id = preset.Id, table_syncs = Orders })).Error("preset_id"));
        Assert.NotEmpty((await Api.PutAsync($"{path}/{other}/tables", new { preset_id = 4711 })).Error("preset_id"));
        Assert.NotEmpty((await Api.PostAsync(path, new { destination_id = destination, preset_id = 4711 })).Error("preset_id"));
        // The target belongs to the first pipeline.
        Assert.Equal(409, (await Api.PostAsync(path, new { destination_id = destination, preset_id = preset.Id })).Status);
        await Api.PostAsync($"pipelines/{second}/start");
        Assert.Equal(200, (await Api.PutAsync($"{path}/{other}/tables", new { preset_id = preset.Id })).Status);
    }
}
