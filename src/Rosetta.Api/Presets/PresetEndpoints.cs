using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Rosetta.Api.Bodies;
using Rosetta.Api.Documents;
using Rosetta.Api.Pipelines;
using Rosetta.Api.Problems;
using Rosetta.Store;
using Rosetta.Store.Presets;

namespace Rosetta.Api.Presets;

/// <summary><c>/presets</c>: choices of tables that are kept to be used again.</summary>
static class PresetEndpoints
{
    public static void MapPresets(this RouteGroupBuilder api)
    {
        var presets = api.MapGroup("/presets").WithTags("Presets");

        presets.MapPost("/", async (Body<CreatePreset> body, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var syncs = body.Value.From is { } from
                    ? await TableChoices.ReadAsync(store, from, cancellationToken)
                    : TableSyncChecks.ToStore(body.Value.TableSyncs);
                return (await store.Presets.AddAsync(body.Value.Name, syncs, cancellationToken)).Answer(
                    preset => TypedResults.Created($"/api/v1/presets/{preset.Id}", ToAnswer(preset)));
            })
            .Describe(
                "Save a choice of tables",
                "From the body, or copied from a destination of a pipeline. A preset is copied again when it is used (preset_id of "
                + "POST /pipelines/{id}/destinations and PUT .../tables): changing it later changes no pipeline.")
            .Takes<CreatePreset>().Gives<PresetAnswer>(StatusCodes.Status201Created).Refuses(409);

        presets.MapGet("/", async (PageQuery page, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var found = await store.Presets.ListAsync(page.Limit, page.Offset, cancellationToken);
                return TypedResults.Ok(new ListAnswer<PresetAnswer>([.. found.Items.Select(ToAnswer)], found.Total));
            })
            .Describe("List the presets").Paged().Gives<ListAnswer<PresetAnswer>>().Refuses(422);

        presets.MapGet("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                await store.Presets.FindAsync(id, cancellationToken) is { } preset
                    ? TypedResults.Ok(ToAnswer(preset))
                    : Problem.NotFound($"There is no preset {id}. GET /api/v1/presets lists them."))
            .Describe("Show a preset").Gives<PresetAnswer>().Refuses(404);

        presets.MapPut("/{id:long}", async (long id, Body<ChangePreset> body, ConfigStore store, CancellationToken cancellationToken) =>
            {
                var syncs = body.Value.TableSyncs is { } named ? TableSyncChecks.ToStore(named) : null;
                return (await store.Presets.ChangeAsync(id, body.Value.Name, syncs, cancellationToken)).Answer(
                    preset => TypedResults.Ok(ToAnswer(preset)));
            })
            .Describe("Change a preset", "Pipelines that it was used for stay as they are.").Takes<ChangePreset>().Gives<PresetAnswer>().Refuses(404, 409);

        presets.MapDelete("/{id:long}", async (long id, ConfigStore store, CancellationToken cancellationToken) =>
                (await store.Presets.DeleteAsync(id, cancellationToken)).Answer(_ => TypedResults.NoContent()))
            .Describe("Delete a preset", "Pipelines that it was used for stay as they are.").GivesNothing().Refuses(404);
    }

    static PresetAnswer ToAnswer(Preset preset) =>
        new(preset.Id, preset.Name, [.. preset.TableSyncs.Select(TableSyncChecks.ToBody)], preset.CreatedAt, preset.UpdatedAt);
}
