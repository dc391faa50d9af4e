//! One declaration of a model, from which everything that is known of its members follows.

/// Declares a model: the record as it is read, and [`Model`](crate::Model).
///
/// Each member stands on one line: its name, its type, an example, and how lists are filtered by it
/// if they are (`index` for an id, `unique` for a text that no two records share). Its name in JSON
/// follows `as` where it is not the field's.
macro_rules! model {
    (
        $(#[$about:meta])*
        $model:ident in $collection:literal, one $singular:literal {
            $(#[$about_id:meta])*
            id: $id:ty;
            $(
                $(#[$about_member:meta])*
                $member:ident $(as $name:tt)?: $type:ty, example $example:expr $(, $index:ident)?;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        pub struct $model {
            $(#[$about_id])*
            #[schema(inline, required, nullable = false)]
            pub id: $id,
            $(
                $(#[$about_member])*
                #[schema(inline)]
                $(#[serde(rename = $name)])?
                pub $member: $type,
            )*
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "createdAt")]
            #[schema(inline, nullable = false)]
            pub created_at: Option<crate::Timestamp>,
            /// Set by the server; absent on records older than the member.
            #[serde(rename = "updatedAt")]
            #[schema(inline, nullable = false)]
            pub updated_at: Option<crate::Timestamp>,
        }

        impl crate::Model for $model {
            const COLLECTION: &'static str = $collection;
            const SINGULAR: &'static str = $singular;
            const MEMBERS: &'static [crate::Member<Self>] = &[$(
                crate::Member {
                    name: model!(@name $member $($name)?),
                    check: <$type as crate::MemberValue>::check,
                    index: model!(@index $member $($index)?),
                    example: || serde_json::json!($example),
                },
            )*];

            fn id(&self) -> Option<crate::Id<Self>> {
                self.id.into()
            }
        }
    };
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $name:tt) => { $name };
    (@index $member:ident) => { None };
    (@index $member:ident index) => { Some(crate::Index::Id(|record| record.$member.get())) };
    (@index $member:ident unique) => { Some(crate::Index::Unique(|record| &record.$member)) };
}

pub(crate) use model;
